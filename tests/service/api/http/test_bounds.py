"""Limits on the time of a job and on the bytes of an owner, as clients see them."""

from contextlib import closing
from http.client import HTTPConnection
from io import BytesIO
from urllib.parse import urlsplit

import numpy as np
import pytest
from sqlalchemy import update

from service.settings import Settings
from service.store.tables import Owner
from tests.service.api.test_datasets import NPZ, good, npz, upload
from tests.service.api.test_submitting import SPEC, problem


def run_of(api, job) -> dict:
    (run,) = api.get(f"/v1/jobs/{job['id']}/runs").json()["runs"]
    return run


def test_a_job_and_its_runs_have_separate_time_limits(api):
    job = api.post("/v1/jobs", json={**SPEC, "max_seconds": 500, "max_run_seconds": 70}).json()
    assert (job["max_seconds"], run_of(api, job)["max_seconds"]) == (500, 70)


def test_the_service_limits_the_time_of_a_run(api):
    limit = Settings().max_run_seconds
    job = api.post("/v1/jobs", json=SPEC).json()
    assert (job["max_seconds"], run_of(api, job)["max_seconds"]) == (None, limit)
    job = api.post("/v1/jobs", json={**SPEC, "max_run_seconds": limit + 1}).json()
    assert run_of(api, job)["max_seconds"] == limit


def test_the_error_for_a_full_byte_quota_has_the_numbers_and_a_remedy(api, database):
    api.post("/v1/jobs", json=SPEC)
    content = npz(**good())
    with database.transaction() as session:
        session.execute(update(Owner).values(stored_bytes=900, max_stored_bytes=1000))
    detail = problem(upload(api, content), 429, "quota-exceeded")["detail"]
    assert f"has no room for {len(content):,} more" in detail
    assert api.post("/v1/jobs", json=SPEC).status_code == 202
    with database.transaction() as session:
        session.execute(update(Owner).values(stored_bytes=1000))
    detail = problem(api.post("/v1/jobs", json=SPEC), 429, "quota-exceeded")["detail"]
    for part in ("stores 1,000 bytes", "may store 1,000", "delete finished jobs"):
        assert part in detail
    (owner,) = api.get("/v1/owners").json()["owners"]
    assert (owner["stored_bytes"], owner["quota"]["max_stored_bytes"]) == (1000, 1000)


def test_a_file_whose_decoded_arrays_exceed_the_byte_quota_is_refused(api, database):
    api.post("/v1/jobs", json=SPEC)
    arrays = {"x": np.zeros((20_000, 100), np.uint8), "y": np.arange(20_000) % 2}
    file = BytesIO()
    np.savez_compressed(file, **arrays)
    decoded = sum(array.nbytes for array in arrays.values())
    assert file.tell() < decoded / 10
    with database.transaction() as session:
        session.execute(update(Owner).values(max_stored_bytes=decoded - 1))
    detail = problem(upload(api, file.getvalue()), 429, "quota-exceeded")["detail"]
    assert f"has no room for {decoded:,} more" in detail
    with database.transaction() as session:
        session.execute(update(Owner).values(max_stored_bytes=decoded))
    dataset = upload(api, file.getvalue()).json()
    assert (dataset["size"], dataset["decoded_size"]) == (file.tell(), decoded)
    (owner,) = api.get("/v1/owners").json()["owners"]
    assert owner["stored_bytes"] == decoded


@pytest.mark.parametrize(
    ("stored", "headers"),
    [(0, {"Content-Length": "1001"}), (1000, {"Transfer-Encoding": "chunked"})],
)
def test_a_file_that_exceeds_the_byte_quota_is_refused_before_it_is_read(
    api, address, database, stored, headers
):
    api.post("/v1/jobs", json=SPEC)
    with database.transaction() as session:
        session.execute(update(Owner).values(stored_bytes=stored, max_stored_bytes=1000))
    server = urlsplit(address)
    with closing(HTTPConnection(server.hostname or "", server.port, timeout=100)) as connection:
        connection.putrequest("POST", "/v1/datasets?name=mine")
        for name, value in {**api.headers, **NPZ, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()  # but no byte of the file
        assert connection.getresponse().status == 429
