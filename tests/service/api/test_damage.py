"""A damaged or missing file never looks like a whole one to a client."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from service.store.blobs import saving
from service.store.blobs.object_store import Blob, Blobs
from service.store.blobs.objects import PIECE
from service.store.database import Database
from service.store.runs import artifacts
from tests.service.api.finished import finish_runs, submitted
from tests.service.store.blobs.test_durability import DAMAGES, LARGE

SPEC = {"kind": "model"}


@pytest.fixture
def job_id(api: httpx.Client, database: Database, settings: Settings) -> str:
    job_id = submitted(api, SPEC)
    finish_runs(database, settings)
    return job_id


def path_of(settings: Settings, digest: str) -> Path:
    return Path(settings.object_store_url.removeprefix("file://"), digest[:2], digest)


def masks_of(database: Database, job_id: str) -> str:
    with database.transaction() as session:
        return artifacts.first(session, job_id, "masks.npz").digest


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_small_damaged_file_gets_a_problem_document(
    api: httpx.Client,
    database: Database,
    settings: Settings,
    job_id: str,
    damage: Callable[[Path], None],
) -> None:
    damage(path_of(settings, masks_of(database, job_id)))
    for headers in ({}, {"Range": "bytes=0-3"}):
        answer = api.get(f"/v1/jobs/{job_id}/masks", headers=headers)
        assert answer.status_code == 500
        assert answer.json()["type"].endswith("damaged")
        assert "lth verify" in answer.json()["detail"]


@pytest.mark.parametrize("damage", DAMAGES[:3])
def test_the_transfer_of_a_large_damaged_file_breaks_off(
    api: httpx.Client,
    database: Database,
    settings: Settings,
    job_id: str,
    damage: Callable[[Path], None],
) -> None:
    blobs = Blobs(settings.object_store_url)
    with database.transaction() as session:
        artifact = artifacts.first(session, job_id, "masks.npz")
        blob = Blob.of(LARGE)
        saving.enter(session, [blob])
        blobs.put(LARGE)
        artifact.digest, artifact.size = blob.digest, blob.size
    whole = api.get(f"/v1/jobs/{job_id}/masks")
    assert whole.content == LARGE
    damage(path_of(settings, blob.digest))
    received = 0

    def receive() -> None:
        nonlocal received
        with api.stream("GET", f"/v1/jobs/{job_id}/masks") as answer:
            assert answer.headers["Content-Length"] == str(len(LARGE))
            for piece in answer.iter_raw(PIECE):
                received += len(piece)

    with pytest.raises(httpx.RemoteProtocolError):
        receive()
    assert received < len(LARGE)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_job_with_a_damaged_file_is_not_reused(
    api: httpx.Client,
    database: Database,
    settings: Settings,
    job_id: str,
    damage: Callable[[Path], None],
) -> None:
    again = {**SPEC, "reuse": "if_finished"}
    assert api.post("/v1/jobs", json=again).json()["id"] == job_id
    damage(path_of(settings, masks_of(database, job_id)))
    answer = api.post("/v1/jobs", json=again)
    assert answer.status_code == 202
    assert answer.json()["id"] != job_id
