"""Every error is a problem document."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from service.settings import Settings
from tests.service.api.conftest import ADMIN, client, serving
from tests.service.api.test_submitting import problem
from tests.worker.rig import eventually


def test_an_unknown_route_gets_a_problem_document(api):
    for path in ["/", "/v1", "/v2/jobs", "/v1/jobs/", "/v1/jobs/x/nothing"]:
        problem(api.get(path), 404, "not-found")


PATHS = ["", "/runs", "/results", "/events", "/artifacts", "/artifacts/x", "/masks", "/plots/x.png"]


@pytest.mark.parametrize("job", ["x", "%00", "%ff", "job_" + "0" * 32, "💥"])
def test_an_unknown_job_is_not_found(api, job):
    for path in PATHS:
        problem(api.get(f"/v1/jobs/{job}{path}"), 404, "not-found")


def test_an_id_with_a_null_character_is_not_found(api):
    key = api.post("/v1/keys", json={"owner": "ada", "role": "member"}).json()["id"]
    problem(api.delete(f"/v1/keys/{key}%00"), 404, "not-found")
    (ada,) = api.get("/v1/keys", params={"owner": "ada"}).json()["keys"]
    assert ada["revoked_at"] is None


def test_the_answer_to_a_wrong_method_names_the_allowed_methods(api):
    response = api.put("/v1/jobs/x")
    problem(response, 405, "method-not-allowed")
    assert "GET" in response.headers["allow"]


def test_a_wrong_parameter_gets_a_problem_document(api):
    for query in ["limit=0", "limit=x", "limit=1000", "cursor=%00", "cursor=x"]:
        document = problem(api.get(f"/v1/jobs?{query}"), 422, "invalid")
        assert query.partition("=")[0] in str(document)


def test_an_unavailable_database_gets_a_problem_document_with_retry_after(object_store_url):
    settings = Settings(
        database_url="postgresql://nobody@127.0.0.1:1/none", object_store_url=object_store_url
    )
    with serving(settings) as address, client(address, ADMIN) as api:
        response = api.get("/v1/jobs")
        problem(response, 503, "unavailable")
        assert int(response.headers["retry-after"]) >= 1
        problem(api.get("/readyz"), 503, "unavailable")
        assert api.get("/healthz").json() == {"status": "ok"}


def test_a_failure_does_not_show_the_address_of_the_object_store(address, object_store_url):
    folder = Path(urlsplit(object_store_url).path)
    (folder / "00").mkdir(parents=True)
    (folder / "00" / ("0" * 64)).symlink_to("0" * 64)  # cannot be opened, not even by root
    response = httpx.get(f"{address}/readyz")
    assert "object store" in problem(response, 503, "unavailable")["detail"]
    assert str(folder) not in response.text


def test_control_characters_of_a_path_are_escaped_in_the_log(api, caplog):
    def logged_paths() -> list[str]:
        logged = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        return [line["path"] for line in logged if "path" in line]

    problem(api.get("/v1/%1b]0;mine%0a"), 404, "not-found")
    eventually(logged_paths, 60)  # The request is logged after it is answered.
    assert logged_paths() == ["/v1/%1b]0;mine%0a"]


def test_a_request_keeps_its_valid_request_id(api):
    assert api.get("/healthz", headers={"X-Request-Id": "mine.1"}).headers["x-request-id"] == (
        "mine.1"
    )
    generated = api.get("/healthz", headers={"X-Request-Id": "not an id"}).headers["x-request-id"]
    assert len(generated) == 16


def test_readyz_succeeds_if_all_parts_answer(api):
    assert api.get("/readyz").json() == {"status": "ok"}
