"""All resources that answer GET answer HEAD."""

import hashlib

import pytest

from service.store.blobs.object_store import Blobs
from tests.service.api.accounts.test_access import OPERATIONS, World, world  # noqa: F401
from tests.service.api.test_artifacts import CONTENT, DIGEST, job_with_files
from tests.service.api.test_submitting import SPEC, problem
from tests.worker.rig import eventually

GETS = [operation.split(" ")[1] for operation in OPERATIONS if operation.startswith("GET ")]
VARYING = {"date", "x-request-id", "ratelimit", "content-length", "transfer-encoding"}


def test_head_returns_the_status_and_headers_of_get(world):  # noqa: F811
    assert len(GETS) >= 20
    for path in GETS:
        got, head = (world.ask("admin", f"{method} {path}") for method in ("GET", "HEAD"))
        assert head.status_code == got.status_code, path
        assert head.content == b"", path
        headers = [
            {k: v for k, v in one.headers.items() if k not in VARYING} for one in (got, head)
        ]
        assert headers[0] == headers[1], path


@pytest.mark.parametrize("range_", [{}, {"Range": "bytes=0-9"}])
def test_the_head_of_a_file_has_its_length_and_digest(api, database, settings, range_):
    job = job_with_files(api, database, Blobs(settings.object_store_url))
    path = f"/v1/jobs/{job}/artifacts/trial-1/a/masks.npz"
    head = api.head(path, headers=range_)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(CONTENT))
    assert head.headers["etag"] == f'"{DIGEST}"'
    assert head.headers["content-type"] == "application/x-npz"
    assert api.head(path, headers={"If-None-Match": f'"{DIGEST}"'}).status_code == 304
    assert hashlib.sha256(api.get(path).content).hexdigest() == DIGEST


def test_head_is_refused_where_get_is_refused(api):
    assert api.head("/v1/jobs/job_unknown").status_code == 404
    refused = api.head(f"/v1/jobs/{api.post('/v1/jobs', json=SPEC).json()['id']}/cancel")
    assert (refused.status_code, refused.content) == (405, b"")
    assert problem(api.post("/v1/catalogue"), 405, "method-not-allowed")
    assert api.post("/v1/catalogue").headers["allow"] == "GET, HEAD"


def test_the_head_of_an_endless_stream_ends(api, caplog):
    job = api.post("/v1/jobs", json=SPEC).json()["id"]

    def ended() -> bool:
        lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        return any((line.get("method"), line.get("path")) == ("HEAD", path) for line in lines)

    path = f"/v1/jobs/{job}/events"
    head = api.head(path)
    assert head.headers["content-type"].startswith("text/event-stream")
    eventually(ended, 60)
