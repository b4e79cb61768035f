"""What is deleted by age."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from service.store.tables import IdempotentRequest, Job


def expire_jobs(session: Session, age: timedelta, keep_label: str, limit: int = 100) -> int:
    """Delete jobs that finished longer than `age` ago, but for those labelled to be kept.

    Returns:
        How many were deleted.
    """
    old = (
        select(Job.id)
        .where(Job.finished_at < func.now() - age, ~Job.labels.has_key(keep_label))
        .order_by(Job.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return len(session.scalars(delete(Job).where(Job.id.in_(old)).returning(Job.id)).all())


def expire_idempotency(session: Session, age: timedelta) -> None:
    """Forget idempotency keys that are older than `age`."""
    session.execute(
        delete(IdempotentRequest).where(IdempotentRequest.created_at < func.now() - age)
    )
