"""Uploads stop if there is no space, and leave no files."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from select import select
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from sqlalchemy import update

from service.api.http.documents import _DRAINED
from service.store.database import Database
from service.store.tables import Owner
from tests.service.api.test_datasets import NPZ, good, npz, upload
from tests.service.api.test_submitting import SPEC, problem

PIECE = b"\0" * 100_000


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of four megabytes for the temporary files of uploads."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_answered_with_507_and_the_next_upload_works(
    small_disk: Path, api: httpx.Client
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 16, 16, 30), np.uint8)
    large = npz(**{**good(), "x_train": noise, "y_train": np.arange(600) % 3})
    assert len(large) > 4 << 20
    document = problem(upload(api, large), 507, "insufficient-storage")
    assert "full" in document["detail"]
    assert upload(api, npz(**good())).status_code == 201
    assert not list(small_disk.iterdir())


def test_an_upload_of_unknown_length_stops_when_the_quota_is_used_up(
    api: httpx.Client, address: str, database: Database
) -> None:
    api.post("/v1/jobs", json=SPEC)
    with database.transaction() as session:
        session.execute(update(Owner).values(stored_bytes=0, max_stored_bytes=300_000))
    server = urlsplit(address)
    with closing(HTTPConnection(server.hostname or "", server.port, timeout=60)) as connection:
        connection.putrequest("POST", "/v1/datasets?name=mine")
        for name, value in {**api.headers, **NPZ, "Transfer-Encoding": "chunked"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        with suppress(ConnectionError):  # the server may have closed the connection
            for _ in range(20 * _DRAINED // len(PIECE)):
                connection.send(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
                if select([connection.sock], [], [], 0)[0]:
                    break
        answer = connection.getresponse()  # before the end of the file was sent
        assert answer.status == 429
        assert "has no room for" in json.load(answer)["detail"]
