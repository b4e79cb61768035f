"""Files are fetched by name, whole or in part, and only if they changed."""

import hashlib

import pytest
from sqlalchemy import insert, select

from service.store.blobs.object_store import Blobs
from service.store.tables import Artifact, Run, StoredBlob
from tests.service.api.test_submitting import problem

CONTENT = bytes(range(256)) * 20
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def job(api, database, settings) -> str:
    return job_with_files(api, database, Blobs(settings.object_store_url))


def job_with_files(api, database, blobs: Blobs) -> str:
    """A session with a mask file of each ticket, a plot of one ticket and a plot of the job."""
    spec = {"kind": "session", "experiments": [{"name": "b"}, {"name": "a"}]}
    job = api.post("/v1/jobs", json=spec).json()["id"]
    blob = blobs.put(CONTENT)
    with database.transaction() as session:
        session.execute(insert(StoredBlob).values(digest=blob.digest, size=blob.size))
        ids = {run.key: run.id for run in session.scalars(select(Run).where(Run.job_id == job))}
        for name, media_type in [
            ("trial-1/a/masks.npz", "application/x-npz"),
            ("trial-1/b/masks.npz", "application/x-npz"),
            ("trial-1/b/plots/learning.png", "image/png"),
            ("report/plots/learning.png", "image/png"),
        ]:
            key = name.removesuffix("/masks.npz").partition("/plots/")[0]
            session.add(
                Artifact(
                    job_id=job,
                    name=name,
                    run_id=ids.get(key),
                    digest=DIGEST,
                    media_type=media_type,
                    size=len(CONTENT),
                )
            )
    return job


def test_the_list_has_a_link_to_each_file(api, job):
    listed = api.get(f"/v1/jobs/{job}/artifacts").json()["artifacts"]
    assert [artifact["name"] for artifact in listed] == [
        "report/plots/learning.png",
        "trial-1/a/masks.npz",
        "trial-1/b/masks.npz",
        "trial-1/b/plots/learning.png",
    ]
    for artifact in listed:
        response = api.get(artifact["href"])
        assert response.content == CONTENT
        assert response.headers["content-type"] == artifact["media_type"]
        assert response.headers["etag"] == f'"{artifact["digest"]}"' == f'"{DIGEST}"'


def test_an_unchanged_file_is_not_sent_again(api, job):
    path = f"/v1/jobs/{job}/artifacts/trial-1/a/masks.npz"
    response = api.get(path, headers={"If-None-Match": f'"{DIGEST}"'})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == f'"{DIGEST}"'
    assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_range_of_a_file_is_sent(api, job):
    path = f"/v1/jobs/{job}/artifacts/trial-1/a/masks.npz"
    response = api.get(path, headers={"Range": "bytes=1000-1009"})
    assert response.status_code == 206
    assert response.content == CONTENT[1000:1010]
    assert response.headers["content-range"] == f"bytes 1000-1009/{len(CONTENT)}"
    assert api.get(path, headers={"Range": "bytes=-5"}).content == CONTENT[-5:]


@pytest.mark.parametrize(
    "path", ["artifacts/trial-1/a/masks.npz", "masks", "plots/learning.png?run=trial-1/b"]
)
@pytest.mark.parametrize("wanted", ["999999-", "99999999999999999999-", "999999-, -0"])
def test_a_range_behind_the_end_is_refused_with_the_size(api, job, path, wanted):
    response = api.get(f"/v1/jobs/{job}/{path}", headers={"Range": f"bytes={wanted}"})
    problem(response, 416, "range-not-satisfiable")
    assert response.headers["content-range"] == f"bytes */{len(CONTENT)}"


def test_masks_are_taken_from_the_first_ticket_unless_a_run_is_named(api, job):
    first = api.get(f"/v1/jobs/{job}/masks")
    assert first.headers["content-disposition"] == 'inline; filename="trial-1-b-masks.npz"'
    named = api.get(f"/v1/jobs/{job}/masks", params={"run": "trial-1/a"})
    assert named.headers["content-disposition"] == 'inline; filename="trial-1-a-masks.npz"'
    problem(api.get(f"/v1/jobs/{job}/masks", params={"run": "trial-9/a"}), 404, "not-found")


def test_plots_are_taken_from_the_job_unless_a_run_is_named(api, job):
    response = api.get(f"/v1/jobs/{job}/plots/learning.png")
    assert "report-plots" in response.headers["content-disposition"]
    run = api.get(f"/v1/jobs/{job}/plots/learning.png", params={"run": "trial-1/b"})
    assert "trial-1-b-plots" in run.headers["content-disposition"]
    problem(api.get(f"/v1/jobs/{job}/plots/learning.gif"), 404, "not-found")
    problem(api.get(f"/v1/jobs/{job}/plots/..%2Fmasks.npz"), 404, "not-found")


def test_a_file_whose_blob_is_missing_gets_a_problem_document(api, job, settings):
    Blobs(settings.object_store_url).delete(DIGEST)
    problem(api.get(f"/v1/jobs/{job}/artifacts/trial-1/a/masks.npz"), 500, "damaged")
