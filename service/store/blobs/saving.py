"""Saves blobs so that a row never refers to a missing one.

1. The digest is inserted in the table `blobs`, with the time.
2. The bytes are saved in the object store.
3. Rows that refer to the digest are committed; a foreign key ties them to step 1.

The housekeeping deletes a blob only under the lock of its row in `blobs`, and only if nothing has
touched the row for the grace time and nothing refers to it (`service.store.blobs.deletion`). If
step 3 comes after that, the foreign key is violated and the commit fails.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.store.blobs.object_store import Blob, Blobs
from service.store.database import Database
from service.store.tables import StoredBlob

_TOGETHER = 64 << 20
"""The most bytes in memory that are saved with one transaction."""


def enter(session: Session, blobs: Sequence[Blob]) -> None:
    """Insert or touch the rows of blobs that other rows will refer to."""
    rows = [
        {"digest": b.digest, "size": b.size} for b in sorted(set(blobs), key=lambda b: b.digest)
    ]
    statement = insert(StoredBlob).values(rows)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["digest"], set_={"touched_at": func.clock_timestamp()}
        )
    )


def save(database: Database, blobs: Blobs, content: bytes) -> Blob:
    """Save one blob; then rows may refer to it."""
    return next(save_all(database, blobs, [content]))


def save_file(database: Database, blobs: Blobs, file: IO[bytes]) -> Blob:
    """Save a file as one blob, one piece at a time; then rows may refer to it."""
    blob = Blob.of_file(file)
    with database.transaction() as session:
        enter(session, [blob])
    blobs.put_file(blob, file)
    return blob


def save_all(database: Database, blobs: Blobs, contents: Iterable[bytes]) -> Iterator[Blob]:
    """Save blobs, some at a time; then rows may refer to them."""
    batch: list[bytes] = []
    for content in contents:
        batch.append(content)
        if sum(map(len, batch)) >= _TOGETHER:
            yield from _save(database, blobs, batch)
            batch = []
    yield from _save(database, blobs, batch)


def _save(database: Database, blobs: Blobs, batch: Sequence[bytes]) -> list[Blob]:
    if not batch:
        return []
    with database.transaction() as session:
        enter(session, [Blob.of(content) for content in batch])
    return [blobs.put(content) for content in batch]
