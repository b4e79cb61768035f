"""The row of a blob is inserted before the blob is saved, and touched if it exists."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from typing import IO

import pytest
from sqlalchemy import func, select, update

from service.store.blobs import saving
from service.store.blobs.object_store import Blob, Blobs
from service.store.database import Database
from service.store.tables import StoredBlob
from tests.service.store.conftest import statements
from tests.service.store.jobs.test_concurrent_commands import wait_until_blocked


class Watched(Blobs):
    """An object store that accepts only blobs with a row in the database."""

    def __init__(self, url: str, database: Database) -> None:
        super().__init__(url)
        self._database = database

    def put(self, content: bytes) -> Blob:
        self._require_row(Blob.of(content))
        return super().put(content)

    def put_file(self, blob: Blob, file: IO[bytes]) -> None:
        self._require_row(blob)
        super().put_file(blob, file)

    def _require_row(self, blob: Blob) -> None:
        with self._database.transaction() as session:
            assert session.get(StoredBlob, blob.digest) is not None


@pytest.fixture
def watched(object_store_url: str, database: Database) -> Watched:
    return Watched(object_store_url, database)


def test_many_blobs_are_inserted_in_batches_and_equal_ones_once(
    database: Database, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "_TOGETHER", 10)
    contents = [b"first", b"first", b"other", b"third", b"fifth"]
    with statements(database) as seen:
        kept = list(saving.save_all(database, watched, contents))
    assert sum("INSERT" in statement for statement in seen) == 3
    assert [watched.get(blob.digest) for blob in kept] == contents


def test_the_row_of_a_file_is_inserted_before_the_file_is_saved(
    database: Database, watched: Watched
) -> None:
    blob = saving.save_file(database, watched, BytesIO(b"a file"))
    assert watched.get(blob.digest) == b"a file"


def test_saving_a_blob_again_resets_its_age(database: Database, watched: Watched) -> None:
    saving.save(database, watched, b"old")
    with database.transaction() as session:
        session.execute(update(StoredBlob).values(touched_at=func.now() - timedelta(days=9)))
    saving.save(database, watched, b"old")
    with database.transaction() as session:
        age = session.execute(select(func.now() - StoredBlob.touched_at)).scalar_one()
    assert age < timedelta(days=1)


def test_transactions_that_insert_the_same_blobs_do_not_deadlock(database: Database) -> None:
    """The second transaction waits for the first blob before it locks any other."""
    first, *others = (Blob(f"{number:064d}", 1) for number in range(9))

    def enter_all() -> None:
        with database.transaction() as session:
            saving.enter(session, [*others, first])

    with ThreadPoolExecutor(1) as threads:
        with database.transaction() as session:
            saving.enter(session, [first])
            entering = threads.submit(enter_all)
            wait_until_blocked(database)
            saving.enter(session, others)
        entering.result()
