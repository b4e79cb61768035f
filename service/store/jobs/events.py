"""What happened to a job, in the order in which it happened.

The numbers of a job's events are given out under the lock of its row, which is held until the
commit: whoever has read up to N and asks for more misses nothing. Take that lock last: runs are
locked before their job, so that nobody waits in a circle. Once a job has finished nobody holds its
runs, and whoever retries or deletes it locks it first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.store.tables import Event, Job

CHANNEL = "lth_events"
"""Postgres' channel; the payload of a notification is ``job id:number of its last event``."""


class EventKind(StrEnum):
    """What can happen."""

    JOB_QUEUED = "job_queued"
    JOB_CANCEL_REQUESTED = "job_cancel_requested"
    JOB_RETRIED = "job_retried"
    JOB_FINISHED = "job_finished"
    RUN_QUEUED = "run_queued"
    RUN_STARTED = "run_started"
    RUN_REQUEUED = "run_requeued"
    RUN_SUCCEEDED = "run_succeeded"
    RUN_FAILED = "run_failed"
    RUN_CANCELLED = "run_cancelled"
    PROGRESS = "progress"
    EVALUATION = "evaluation"
    LEVEL_FINISHED = "level_finished"


@dataclass(frozen=True, slots=True)
class New:
    """An event that has no number yet; `run` is the key of the run that it happened to."""

    kind: EventKind
    run: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


def append(session: Session, job_id: str, events: Sequence[New]) -> int:
    """Add events to a job, in this order, and wake whoever watches it after the commit.

    Returns:
        The number of the last one.
    """
    last = session.scalar(
        update(Job)
        .where(Job.id == job_id)
        .values(events=Job.events + len(events))
        .returning(Job.events)
        .execution_options(synchronize_session=False)
    )
    if last is None:
        return 0
    write(session, job_id, last - len(events) + 1, events)
    return last


def write(session: Session, job_id: str, first: int, events: Sequence[New]) -> None:
    """Add events whose numbers, from `first`, were given out under the job's lock already."""
    session.add_all(
        Event(
            job_id=job_id,
            number=first + n,
            kind=event.kind,
            run=event.run,
            data=event.data,
            at=func.clock_timestamp(),
        )
        for n, event in enumerate(events)
    )
    session.flush()
    notify(session, job_id, first + len(events) - 1)


def notify(session: Session, job_id: str, number: int) -> None:
    """Wake whoever watches a job, after the commit."""
    session.execute(select(func.pg_notify(CHANNEL, f"{job_id}:{number}")))


def since(session: Session, job_id: str, after: int = 0, limit: int = 500) -> Sequence[Event]:
    """The events of a job after number `after`, oldest first."""
    return session.scalars(
        select(Event)
        .where(Event.job_id == job_id, Event.number > after)
        .order_by(Event.number)
        .limit(limit)
    ).all()
