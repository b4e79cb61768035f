"""The events of a job, numbered in the order in which they happened.

Numbers are assigned under the lock of the job's row, which is held until the commit. So a reader
that has read up to N and asks for more misses nothing. Take that lock last: runs are locked before
their job, which avoids deadlocks. For a finished job, no transaction holds its runs, and a retry or
a deletion locks the job first.
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
    """The kinds of events."""

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
    """An event without a number; `run` is the key of its run."""

    kind: EventKind
    run: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


def append(session: Session, job_id: str, events: Sequence[New]) -> int:
    """Add events to a job, and notify watchers after the commit.

    Returns:
        The number of the last event.
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
    """Add events whose numbers, from `first`, were assigned under the lock of the job."""
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
    """Notify the watchers of a job after the commit."""
    session.execute(select(func.pg_notify(CHANNEL, f"{job_id}:{number}")))


def since(session: Session, job_id: str, after: int = 0, limit: int = 500) -> Sequence[Event]:
    """The events of a job after number `after`, oldest first."""
    return session.scalars(
        select(Event)
        .where(Event.job_id == job_id, Event.number > after)
        .order_by(Event.number)
        .limit(limit)
    ).all()
