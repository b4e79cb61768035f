"""Deletes old jobs and idempotency keys."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from service.store.tables import IdempotentRequest, Job, Owner


def expire_jobs(session: Session, age: timedelta, keep_label: str, limit: int = 100) -> int:
    """Delete jobs that finished longer than `age` ago, except those with the label `keep`.

    Returns:
        The number of deleted jobs.
    """
    old = (
        select(Job.id, Job.owner)
        .where(Job.finished_at < func.now() - age, ~Job.labels.has_key(keep_label))
        .order_by(Job.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = session.execute(old).all()
    _lock(session, {owner for _, owner in found})
    session.execute(delete(Job).where(Job.id.in_([job_id for job_id, _ in found])))
    return len(found)


def _lock(session: Session, owners: set[str]) -> None:
    """Lock owners in a fixed order, because deletions of their jobs change their usage."""
    rows = select(Owner.name).where(Owner.name.in_(owners)).order_by(Owner.name)
    session.execute(rows.with_for_update(key_share=True))


def expire_idempotency(session: Session, age: timedelta) -> None:
    """Delete idempotency keys that are older than `age`."""
    session.execute(
        delete(IdempotentRequest).where(IdempotentRequest.created_at < func.now() - age)
    )
