"""The lease on a run: renewed by heartbeats, checked by every write.

A write by a worker carries the `attempt` of its claim. Once the run has been given to another
worker, or has ended, no row matches any more and the write is refused with `LeaseLost`.
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
    """One worker's hold on one run: the run, and the number of the claim."""

    run_id: uuid.UUID
    job_id: str
    key: str
    attempt: int

    @property
    def lost(self) -> LeaseLost:
        """What to raise when a write finds the lease gone."""
        return LeaseLost(
            f"attempt {self.attempt} no longer holds the run '{self.key}' of {self.job_id}"
        )


def held(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    """The condition under which a write by this lease's holder is allowed."""
    return (Run.id == lease.run_id, Run.attempt == lease.attempt, Run.state == RunState.RUNNING)


def renew(
    session: Session, lease: Lease, length: timedelta, progress: dict[str, Any] | None = None
) -> bool:
    """Hold a run for longer, and note how far it has come.

    Returns:
        Whether somebody asked the run to be cancelled.

    Raises:
        LeaseLost: when the run is not this attempt's any more.
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
    session: Session, lease: Lease, length: timedelta, progress: dict[str, Any], news: list[New]
) -> bool:
    """Renew, and tell whoever watches the job what happened; returns and raises as `renew`."""
    cancel = renew(session, lease, length, progress)
    events.append(session, lease.job_id, news)
    return cancel


def save_checkpoint(session: Session, lease: Lease, digest: str) -> None:
    """Remember where an interrupted run can go on from.

    Raises:
        LeaseLost: when the run is not this attempt's any more.
    """
    saved = session.scalar(
        update(Run).where(*held(lease)).values(checkpoint_digest=digest).returning(Run.id)
    )
    if saved is None:
        raise lease.lost
