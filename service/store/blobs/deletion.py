"""Deletes blobs that nothing refers to, and never one that something refers to.

A blob is deleted under the lock of its row in `blobs`: first the object, then the row, then the
commit. A writer that wants to refer to the blob waits for the lock of the row. If it wanted to
touch the row, it finds the row gone, inserts it again and uploads the blob again. If it wanted to
add a foreign key, it fails and repeats the upload. A crash in between leaves a row without an
object and without a reference; the next upload or the next deletion repairs that.

Only blobs with an entry in `BlobDoubt` are examined.
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
"""All columns that refer to a blob; a test compares them with the foreign keys."""
_UNUSED = tuple(~exists().where(column == StoredBlob.digest) for column in _REFERENCES)
_BATCH = 100
_REMOVAL = 0x4C5442
"""An advisory lock: shared by processes that delete blobs, exclusive for `hold_off`."""


def hold_off(session: Session) -> None:
    """Prevent deletions until this transaction ends; wait for current ones first."""
    session.execute(select(func.pg_advisory_xact_lock(_REMOVAL)))


def used(session: Session) -> Sequence[StoredBlob]:
    """All blobs that something refers to, whose bytes must exist."""
    refers = or_(*(exists().where(column == StoredBlob.digest) for column in _REFERENCES))
    return session.scalars(select(StoredBlob).where(refers).order_by(StoredBlob.digest)).all()


def collect(database: Database, blobs: Blobs, grace: timedelta) -> int:
    """Delete blobs that nothing refers to and that were not touched for `grace`.

    Each deletion is a transaction of its own, so a slow object store delays no other writer.

    Returns:
        The number of deleted blobs.
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
    """Delete a blob at once that its only user no longer needs, such as an old checkpoint.

    Returns:
        Whether it was deleted; not if something refers to it, if its row is locked, or if deletions
        are prevented now.
    """
    return _remove(session, blobs, digest)


def _doubts(session: Session, grace: timedelta, after: int) -> dict[int, str]:
    """The next doubts that are older than `grace`: digests by the number of the doubt."""
    found = session.execute(
        select(BlobDoubt.id, BlobDoubt.digest)
        .where(BlobDoubt.id > after, BlobDoubt.at < func.now() - grace)
        .order_by(BlobDoubt.id)
        .limit(_BATCH)
    )
    return {number: digest for number, digest in found}  # noqa: C416


def _dispelled(session: Session, grace: timedelta, doubts: Mapping[int, str]) -> dict[int, str]:
    """The doubts whose blobs are unused; the other doubts are deleted.

    A deleted reference or a touched blob creates a new doubt. References that another transaction
    is about to commit are noticed when the blob is locked.
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
    """Delete trunks that no run has used for a while; returns their number."""
    old = (
        select(Trunk.key)
        .where(Trunk.used_at < func.now() - unused_for)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    dropped = session.scalars(delete(Trunk).where(Trunk.key.in_(old)).returning(Trunk.key))
    return len(dropped.all())


def _may_remove(session: Session) -> bool:
    """Whether deletions are allowed; nothing can prevent them until this transaction ends."""
    return session.execute(select(func.pg_try_advisory_xact_lock_shared(_REMOVAL))).scalar_one()
