"""Pictures are drawn when they are first fetched, and are ordinary files from then on."""

import csv
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import httpx
import psutil
import pytest
from pydantic import SecretStr

from service.settings import Settings
from service.store.blobs import deletion
from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.runs import artifacts
from tests.parts import alive
from tests.service.api.conftest import ADMIN, client, serving
from tests.service.api.finished import ROBUST, finish_runs, submitted
from tests.service.api.test_submitting import problem

PLOTS = ("layers", "learning", "mask", "sparsity", "supermask", "weights")


@pytest.fixture(scope="module")
def settings(postgres, _migrated, _valkey, tmp_path_factory) -> Iterator[Settings]:
    """One service for all of these tests, so that its drawing process is started once."""
    name = f"views_{uuid4().hex}"
    postgres.create_database(name, template=_migrated)
    yield Settings(
        database_url=postgres.url(name),
        broker_url=_valkey,
        object_store_url=tmp_path_factory.mktemp("blobs").as_uri(),
        admin_key=SecretStr(ADMIN),
        drawing_seconds=200,
    )
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def database(settings) -> Iterator[Database]:
    database = Database(settings.database_url, 2)
    yield database
    database.close()


@pytest.fixture(scope="module")
def api(settings) -> Iterator[httpx.Client]:
    with serving(settings) as address, client(address, ADMIN) as api:
        yield api


@pytest.fixture
def job(api, database, settings) -> str:
    job = submitted(api)
    finish_runs(database, settings)
    return job


def stored(database, job: str) -> dict[str, str]:
    with database.transaction() as session:
        return {file.name: file.digest for file in artifacts.of_job(session, job)}


def drawing() -> list[psutil.Process]:
    """The running drawing processes of the APIs in this process."""
    return [one for one in psutil.Process().children() if alive(one) and _draws(one)]


def _draws(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "service.drawing" in " ".join(process.cmdline())
    return False


def test_pictures_are_listed_before_they_are_drawn_and_drawn_by_the_first_fetch(api, database, job):
    listed = {one["name"]: one for one in api.get(f"/v1/jobs/{job}/artifacts").json()["artifacts"]}
    names = [f"trial-1/ticket/plots/{plot}.{end}" for plot in PLOTS for end in ("png", "svg")]
    assert [name for name in listed if "/plots/" in name] == names
    for name in names:
        undrawn = listed[name]
        assert (undrawn["size"], undrawn["digest"], undrawn["created_at"]) == (None, None, None)
        answer = api.get(undrawn["href"])
        assert answer.headers["content-type"] == undrawn["media_type"]
        assert answer.content.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")
        digest = hashlib.sha256(answer.content).hexdigest()
        assert answer.headers["etag"] == f'"{digest}"'
        assert stored(database, job)[name] == digest
    again = {one["name"]: one for one in api.get(f"/v1/jobs/{job}/artifacts").json()["artifacts"]}
    assert list(again) == list(listed)
    drawn = [again[name] for name in names]
    assert all(one["size"] and one["digest"] and one["created_at"] for one in drawn)


def test_a_stored_picture_is_not_drawn_again_and_supports_ranges_and_conditions(api, database, job):
    path = f"/v1/jobs/{job}/plots/learning.png"
    whole = api.get(path)
    (process,) = drawing()
    process.suspend()
    try:
        assert api.get(path).content == whole.content
        part = api.get(path, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        known = api.get(path, headers={"If-None-Match": whole.headers["etag"]})
        assert known.status_code == 304
        assert api.get(f"/v1/jobs/{job}/plots/learning.svg").status_code == 200, (
            "both formats are drawn together"
        )
    finally:
        process.resume()


def test_concurrent_fetches_share_one_drawing(settings, database):
    alone = settings.model_copy(update={"drawing_places": 1})
    with serving(alone) as address, client(address, ADMIN) as api:
        job = submitted(api)
        finish_runs(database, settings)

        def fetch(ending: str) -> httpx.Response:
            return api.get(f"/v1/jobs/{job}/artifacts/trial-1/ticket/plots/weights.{ending}")

        with ThreadPoolExecutor(12) as pool:
            got = list(pool.map(fetch, ["png", "svg"] * 6))
    assert {answer.status_code for answer in got} == {200}, (
        "the service draws one picture at a time"
    )
    assert len({answer.content for answer in got}) == 2
    assert sum("weights." in name for name in stored(database, job)) == 2


def test_two_services_store_the_same_picture_once(api, settings, database, job):
    path = f"/v1/jobs/{job}/plots/sparsity.svg"
    with (
        serving(settings) as other,
        client(other, ADMIN) as other_api,
        ThreadPoolExecutor(2) as pool,
    ):
        one, two = pool.map(lambda api: api.get(path), [api, other_api])
    assert one.content == two.content
    assert one.headers["etag"] == two.headers["etag"]
    assert hashlib.sha256(one.content).hexdigest() in stored(database, job).values()


def test_the_spec_decides_which_pictures_are_listed_and_drawn(api, database, settings):
    none, png = submitted(api, {"plots": "none"}), submitted(api, {"plots": "png"})
    finish_runs(database, settings)
    problem(api.get(f"/v1/jobs/{none}/plots/learning.png"), 404, "not-found")
    problem(api.get(f"/v1/jobs/{png}/plots/learning.svg"), 404, "not-found")
    assert api.get(f"/v1/jobs/{png}/plots/learning.png").status_code == 200
    listed = api.get(f"/v1/jobs/{none}/artifacts").json()["artifacts"]
    assert listed
    assert not [one for one in listed if "/plots/" in one["name"]]


def test_a_run_that_has_not_succeeded_has_no_pictures(api, database, settings):
    job = submitted(api)
    problem(api.get(f"/v1/jobs/{job}/plots/learning.png"), 404, "not-found")
    finish_runs(database, settings, failing=["trial-1/ticket"])
    problem(api.get(f"/v1/jobs/{job}/plots/learning.png"), 404, "not-found")
    assert api.get(f"/v1/jobs/{job}/artifacts").json() == {"artifacts": [], "cursor": None}


def test_a_drawn_picture_is_deleted_with_its_job(api, database, settings):
    job = submitted(api, {"training": {"duration": "7ep"}})  # No other test draws this picture.
    finish_runs(database, settings)
    drawn = api.get(f"/v1/jobs/{job}/plots/layers.png")
    digest = drawn.headers["etag"].strip('"')
    blobs = Blobs(settings.object_store_url)
    collect(database, blobs)
    assert blobs.size(digest) == len(drawn.content)
    assert api.delete(f"/v1/jobs/{job}").status_code == 204
    collect(database, blobs)
    assert blobs.size(digest) is None


def collect(database, blobs: Blobs) -> None:
    deletion.collect(database, blobs, timedelta(0))


def test_drawing_does_not_delay_other_requests(api, job):
    api.get(f"/v1/jobs/{job}/plots/learning.png")
    (process,) = drawing()
    process.suspend()
    try:
        with ThreadPoolExecutor(5) as pool:
            plots = [plot for plot in PLOTS if plot != "learning"]
            drawings = [pool.submit(api.get, f"/v1/jobs/{job}/plots/{plot}.png") for plot in plots]
            for _ in range(20):
                assert api.get(f"/v1/jobs/{job}").status_code == 200
            assert not any(one.done() for one in drawings)
            process.resume()
            assert [one.result().status_code for one in drawings] == [200] * (len(PLOTS) - 1)
    finally:
        process.resume()


def test_a_picture_of_a_missing_file_fails_and_other_pictures_are_drawn(
    api, database, settings, job
):
    with database.transaction() as session:
        digest = artifacts.get(session, job, "trial-1/ticket/masks.npz").digest
    blobs = Blobs(settings.object_store_url)
    blobs.delete(digest)
    problem(api.get(f"/v1/jobs/{job}/plots/mask.png"), 500, "damaged")
    assert api.get(f"/v1/jobs/{job}/plots/layers.png").status_code == 200


def test_a_picture_that_is_drawn_too_slowly_is_unavailable_with_retry_after(settings, database):
    hasty = settings.model_copy(update={"drawing_seconds": 0.01})
    with serving(hasty) as address, client(address, ADMIN) as api:
        job = submitted(api)
        finish_runs(database, settings)
        answer = api.get(f"/v1/jobs/{job}/plots/learning.png")
        assert "it may take 0.01 s" in problem(answer, 503, "unavailable")["detail"]
        assert int(answer.headers["retry-after"]) >= 1
    assert not [name for name in stored(database, job) if "/plots/" in name]


WHOLE = [f"report/plots/{name}" for name in ("learning", "sparsity", "supermask")]


def test_experiments_of_a_job_are_compared_as_soon_as_a_result_exists(api, database, settings):
    job = submitted(api, ROBUST)
    assert api.get(f"/v1/jobs/{job}/artifacts").json()["artifacts"] == []
    problem(api.get(f"/v1/jobs/{job}/plots/sparsity.svg"), 404, "not-found")
    finish_runs(database, settings, most=4)
    tags = set()
    for most in (1, 100):
        listed = {one["name"] for one in api.get(f"/v1/jobs/{job}/artifacts").json()["artifacts"]}
        assert {f"{name}.{ending}" for name in WHOLE for ending in ("png", "svg")} <= listed
        assert "report/summary.json" in listed
        answer = api.get(f"/v1/jobs/{job}/plots/sparsity.svg")
        assert "report-plots" in answer.headers["content-disposition"]
        tags.add(answer.headers["etag"])
        assert not [name for name in stored(database, job) if name.startswith("report/")]
        finish_runs(database, settings, most=most)
    assert len(tags) == 2, "new results change the picture"


def test_pictures_and_summary_of_a_job_are_stored_after_it_has_succeeded(api, database, settings):
    job = submitted(api, ROBUST)
    finish_runs(database, settings)
    for name in (*(f"{name}.png" for name in WHOLE), "report/summary.json"):
        answer = api.get(f"/v1/jobs/{job}/artifacts/{name}")
        assert answer.status_code == 200
        assert answer.headers["etag"] == f'"{stored(database, job)[name]}"'
    document = api.get(f"/v1/jobs/{job}/artifacts/report/summary.json").json()
    assert document == api.get(f"/v1/jobs/{job}/summary").json()["summary"]
    assert document["coverage"]["complete"] is True


def test_the_summary_of_a_job_with_a_failed_run_reports_its_coverage(api, database, settings):
    job = submitted(api, ROBUST)
    finish_runs(database, settings, failing=["trial-2/ticket"])
    assert api.get(f"/v1/jobs/{job}").json()["state"] == "failed"
    document = api.get(f"/v1/jobs/{job}/summary").json()
    assert (document["state"], document["trials"]) == ("failed", 2)
    assert document["summary"]["coverage"] == {
        "trials": 2,
        "trials_planned": 3,
        "results": 4,
        "results_planned": 6,
        "partial": 0,
        "complete": False,
    }
    before = api.get(f"/v1/jobs/{job}/plots/learning.png")
    assert before.status_code == 200
    assert not [name for name in stored(database, job) if name.startswith("report/")]
    api.post(f"/v1/jobs/{job}/retry")
    finish_runs(database, settings)
    assert api.get(f"/v1/jobs/{job}/summary").json()["summary"]["coverage"]["complete"] is True
    assert api.get(f"/v1/jobs/{job}/plots/learning.png").content != before.content


def test_a_single_experiment_has_no_comparison(api, job):
    listed = api.get(f"/v1/jobs/{job}/artifacts").json()["artifacts"]
    whole = [one["name"] for one in listed if one["name"].startswith("report/")]
    assert whole == ["report/levels.csv"]
    problem(api.get(f"/v1/jobs/{job}/artifacts/report/summary.json"), 404, "not-found")


@pytest.mark.parametrize("spec", [{}, ROBUST])
def test_the_levels_of_a_job_are_available_as_csv(spec, api, database, settings):
    job = submitted(api, spec)
    finish_runs(database, settings)
    answer = api.get(f"/v1/jobs/{job}/artifacts/report/levels.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["etag"] == f'"{stored(database, job)["report/levels.csv"]}"'
    results = api.get(f"/v1/jobs/{job}/results").json()["results"]
    rows = list(csv.DictReader(answer.text.splitlines()))
    found = {(row["trial"], row["experiment"], row["level"]): row for row in rows}
    assert len(rows) == len(found) == sum(len(one["result"]["levels"]) for one in results)
    for one in results:
        for level in one["result"]["levels"]:
            where = (one["result"]["trial"], one["result"]["experiment"], level["level"])
            row = found[tuple(map(str, where))]
            assert float(row["final_test_accuracy"]) == level["final"]["test"]["accuracy"]


def test_the_table_of_a_running_job_grows(api, database, settings):
    job = submitted(api, ROBUST)
    path = f"/v1/jobs/{job}/artifacts/report/levels.csv"
    problem(api.get(path), 404, "not-found")
    finish_runs(database, settings, most=4)
    before = api.get(path)
    finish_runs(database, settings)
    assert len(before.text.splitlines()) < len(api.get(path).text.splitlines()) == 1 + 6 * 2
