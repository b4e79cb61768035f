"""Collecting blobs that nothing refers to, without ever taking one that something does.

A blob is taken away under the lock of its row in `blobs`: object first, then row, then commit.
Meanwhile a writer that wants to refer to it waits at the same row, either to touch it (and then
finds it gone, enters it anew and uploads it again) or with its foreign key (and then fails and
starts again from the upload). A crash in between leaves a row without an object and without a
reference, which the next upload or the next collection mends.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, exists, func, or_, select
from sqlalchemy.orm import Session

from service.store.blobs import Blobs
from service.store.tables import Artifact, Run, StoredBlob, StoredDataset, Trunk

_REFERENCES = (
    Artifact.digest,
    Run.checkpoint_digest,
    Run.log_digest,
    StoredDataset.digest,
    Trunk.digest,
)
"""Every column that refers to a blob; a test holds this against the foreign keys."""
_REMOVAL = 0x4C5442
"""The advisory lock that is shared by all who remove blobs, and kept from them by `hold_off`."""


def hold_off(session: Session) -> None:
    """Let nobody remove a blob until this transaction ends, once those that are at it are done."""
    session.execute(select(func.pg_advisory_xact_lock(_REMOVAL)))


def used(session: Session) -> Sequence[StoredBlob]:
    """The blobs that something refers to: their bytes are there."""
    refers = or_(*(exists().where(column == StoredBlob.digest) for column in _REFERENCES))
    return session.scalars(select(StoredBlob).where(refers).order_by(StoredBlob.digest)).all()


def collect(session: Session, blobs: Blobs, grace: timedelta, limit: int = 100) -> int:
    """Remove up to `limit` blobs that nothing refers to and nobody touched for `grace`.

    Returns:
        How many were removed; fewer than `limit` when there are no more, or none may be now.
    """
    if not _may_remove(session):
        return 0
    unused = [~exists().where(column == StoredBlob.digest) for column in _REFERENCES]
    digests = session.scalars(
        select(StoredBlob.digest)
        .where(StoredBlob.touched_at < func.now() - grace, *unused)
        .order_by(StoredBlob.touched_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    still = session.scalars(
        select(StoredBlob.digest).where(StoredBlob.digest.in_(digests), *unused)
    ).all()
    for digest in still:
        blobs.delete(digest)
    session.execute(delete(StoredBlob).where(StoredBlob.digest.in_(still)))
    return len(still)


def discard(session: Session, blobs: Blobs, digest: str) -> bool:
    """Remove a blob at once that its only user needs no more, such as a checkpoint.

    Returns:
        Whether it was removed; not if somebody else refers to it, or is busy with it, or none
        may be removed now.
    """
    if not _may_remove(session):
        return False
    unused = [~exists().where(column == StoredBlob.digest) for column in _REFERENCES]
    mine = (StoredBlob.digest == digest, *unused)
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
