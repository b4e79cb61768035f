"""What is deleted by age."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from service.store.tables import IdempotentRequest, Job, Owner


def expire_jobs(session: Session, age: timedelta, keep_label: str, limit: int = 100) -> int:
    """Delete jobs that finished longer than `age` ago, but for those labelled to be kept.

    Returns:
        How many were deleted.
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
    """Lock owners in one order: what each stores changes with their jobs, and two may tidy."""
    rows = select(Owner.name).where(Owner.name.in_(owners)).order_by(Owner.name)
    session.execute(rows.with_for_update(key_share=True))


def expire_idempotency(session: Session, age: timedelta) -> None:
    """Forget idempotency keys that are older than `age`."""
    session.execute(
        delete(IdempotentRequest).where(IdempotentRequest.created_at < func.now() - age)
    )
