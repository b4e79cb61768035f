"""Collecting blobs that nothing refers to, without ever taking one that something does.

A blob is taken away under the lock of its row in `blobs`: object first, then row, then commit.
Meanwhile a writer that wants to refer to it waits at the same row, either to touch it (and then
finds it gone, enters it anew and uploads it again) or with its foreign key (and then fails and
starts again from the upload). A crash in between leaves a row without an object and without a
reference, which the next upload or the next collection mends.

Only blobs of which somebody doubts that they are used are looked at (`BlobDoubt`).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.tables import Artifact, BlobDoubt, Run, StoredBlob, StoredDataset, Trunk

_REFERENCES = (
    Artifact.digest,
    Run.checkpoint_digest,
    Run.log_digest,
    StoredDataset.digest,
    Trunk.digest,
)
"""Every column that refers to a blob; a test holds this against the foreign keys."""
_UNUSED = tuple(~exists().where(column == StoredBlob.digest) for column in _REFERENCES)
_BATCH = 100
_REMOVAL = 0x4C5442
"""The advisory lock that is shared by all who remove blobs, and kept from them by `hold_off`."""


def hold_off(session: Session) -> None:
    """Let nobody remove a blob until this transaction ends, once those that are at it are done."""
    session.execute(select(func.pg_advisory_xact_lock(_REMOVAL)))


def used(session: Session) -> Sequence[StoredBlob]:
    """The blobs that something refers to: their bytes are there."""
    refers = or_(*(exists().where(column == StoredBlob.digest) for column in _REFERENCES))
    return session.scalars(select(StoredBlob).where(refers).order_by(StoredBlob.digest)).all()


def collect(database: Database, blobs: Blobs, grace: timedelta) -> int:
    """Remove the blobs that nothing has referred to and nobody has touched for `grace`.

    Each goes in a transaction of its own: however slow the object store is, whoever saves a blob
    waits for no other one.

    Returns:
        How many were removed.
    """
    removed = last = 0
    while True:
        with database.transaction() as session:
            doubts = _doubts(session, grace, last)
            unused = _dispelled(session, grace, doubts)
        for number, digest in unused.items():
            with database.transaction() as session:
                if _remove(session, blobs, digest, _old(grace)):
                    session.execute(delete(BlobDoubt).where(BlobDoubt.id == number))
                    removed += 1
        if len(doubts) < _BATCH:
            return removed
        last = max(doubts)


def discard(session: Session, blobs: Blobs, digest: str) -> bool:
    """Remove a blob at once that its only user needs no more, such as a checkpoint.

    Returns:
        Whether it was removed; not if somebody else refers to it, or is busy with it, or none
        may be removed now.
    """
    return _remove(session, blobs, digest)


def _doubts(session: Session, grace: timedelta, after: int) -> dict[int, str]:
    """The next doubts that are older than `grace`: the digests, by the number of the doubt."""
    found = session.execute(
        select(BlobDoubt.id, BlobDoubt.digest)
        .where(BlobDoubt.id > after, BlobDoubt.at < func.now() - grace)
        .order_by(BlobDoubt.id)
        .limit(_BATCH)
    )
    return {number: digest for number, digest in found}  # noqa: C416


def _dispelled(session: Session, grace: timedelta, doubts: Mapping[int, str]) -> dict[int, str]:
    """The doubts that were right; the others are forgotten.

    A reference that is there goes with a doubt of its own, and so does whoever touches a blob. One
    that another transaction is about to write is not seen here, but when the blob is locked.
    """
    right = select(StoredBlob.digest).where(
        StoredBlob.digest.in_(doubts.values()), _old(grace), *_UNUSED
    )
    unused = set(session.scalars(right))
    wrong = [number for number, digest in doubts.items() if digest not in unused]
    session.execute(delete(BlobDoubt).where(BlobDoubt.id.in_(wrong)))
    return {number: digest for number, digest in doubts.items() if digest in unused}


def _old(grace: timedelta) -> ColumnElement[bool]:
    return StoredBlob.touched_at < func.now() - grace


def _remove(session: Session, blobs: Blobs, digest: str, *conditions: ColumnElement[bool]) -> bool:
    if not _may_remove(session):
        return False
    mine = (StoredBlob.digest == digest, *conditions, *_UNUSED)
    locked = session.scalar(
        select(StoredBlob.digest).where(*mine).with_for_update(skip_locked=True)
    )
    if locked is None or session.scalar(select(StoredBlob.digest).where(*mine)) is None:
        return False
    blobs.delete(digest)
    session.execute(delete(StoredBlob).where(StoredBlob.digest == digest))
    return True


def forget_trunks(session: Session, unused_for: timedelta, limit: int = 100) -> int:
    """Drop trunks that no run asked for lately; returns how many."""
    old = (
        select(Trunk.key)
        .where(Trunk.used_at < func.now() - unused_for)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    dropped = session.scalars(delete(Trunk).where(Trunk.key.in_(old)).returning(Trunk.key))
    return len(dropped.all())


def _may_remove(session: Session) -> bool:
    """Whether nobody holds removals off; nobody will until this transaction ends."""
    return session.execute(select(func.pg_try_advisory_xact_lock_shared(_REMOVAL))).scalar_one()
