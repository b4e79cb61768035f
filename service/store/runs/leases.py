"""The lease of a run: renewed by heartbeats, checked by every write.

A write of a worker carries the `attempt` of its claim. If the run belongs to another attempt or has
ended, no row matches, and the write is refused with `LeaseLost`.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, update
from sqlalchemy.orm import Session

from service.store.errors import LeaseLost
from service.store.jobs import events
from service.store.jobs.events import New
from service.store.states import RunState
from service.store.tables import Run


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's lease on one run, with the number of the attempt."""

    run_id: uuid.UUID
    job_id: str
    key: str
    attempt: int

    @property
    def lost(self) -> LeaseLost:
        """The error for a write without the lease."""
        return LeaseLost(
            f"attempt {self.attempt} no longer holds the run '{self.key}' of {self.job_id}"
        )


def held(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    """The condition under which the holder of the lease may write."""
    return (Run.id == lease.run_id, Run.attempt == lease.attempt, Run.state == RunState.RUNNING)


def renew(
    session: Session, lease: Lease, length: timedelta, progress: dict[str, Any] | None = None
) -> bool:
    """Renew the lease of a run, and store its progress.

    Returns:
        Whether a client has cancelled the run.

    Raises:
        LeaseLost: if the run belongs to another attempt.
    """
    values: dict[str, Any] = {"lease_expires_at": func.clock_timestamp() + length}
    if progress is not None:
        values["progress"] = progress
    cancel = session.scalar(
        update(Run).where(*held(lease)).values(values).returning(Run.cancel_requested)
    )
    if cancel is None:
        raise lease.lost
    return cancel


def tell(
    session: Session,
    lease: Lease,
    length: timedelta,
    progress: dict[str, Any] | None,
    news: list[New],
) -> bool:
    """Renew the lease, and add events for watchers; returns and raises as `renew`."""
    cancel = renew(session, lease, length, progress)
    events.append(session, lease.job_id, news)
    return cancel


def save_checkpoint(
    session: Session, lease: Lease, digest: str, log_digest: str | None = None
) -> None:
    """Store the checkpoint of a run, and its log so far.

    Raises:
        LeaseLost: if the run belongs to another attempt.
    """
    values = {"checkpoint_digest": digest}
    if log_digest is not None:
        values["log_digest"] = log_digest
    saved = session.scalar(update(Run).where(*held(lease)).values(values).returning(Run.id))
    if saved is None:
        raise lease.lost
