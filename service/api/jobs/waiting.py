"""Explains why a job waits, and computes its progress."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field

from lth.core.sizes import size_text
from service.store.jobs.queue_position import MOST_COUNTED, Outlook, Queue
from service.store.states import FINISHED_RUN
from service.store.tables import Job

Cause = Literal["no_workers", "memory", "quota", "workers_busy", "starting"]


class Waiting(BaseModel):
    """The reason why a job waits."""

    reason: Cause
    detail: str = Field(description="the same in words")
    position: int = Field(description="1 is next; an estimate, as owners take turns")
    estimated_start: datetime | None = Field(
        description="from how long runs took here lately; null when that is not known"
    )


def waiting(job: Job, queue: Queue | None, now: datetime | None = None) -> Waiting | None:
    """Why a job waits; None if it does not wait."""
    if queue is None:
        return None
    position = queue.ahead + 1
    reason, detail = _reason(job, queue)
    start = None
    if queue.workers and queue.seconds is not None and reason != "quota":
        rounds = 0.0 if queue.idle > queue.ahead else (queue.ahead + 1) / queue.workers
        start = (now or datetime.now(UTC)) + timedelta(seconds=rounds * queue.seconds)
    return Waiting(reason=reason, detail=detail, position=position, estimated_start=start)


def _reason(job: Job, queue: Queue) -> tuple[Cause, str]:
    if not queue.workers and queue.largest is not None:
        return (
            "memory",
            f"needs {size_text(queue.needs)}; the largest worker of pool '{job.pool}' has "
            f"{size_text(queue.largest)}",
        )
    if not queue.workers:
        return "no_workers", f"no worker serves the pool '{job.pool}' at the moment"
    if queue.at_quota:
        return "quota", f"'{job.owner}' or their team has as many runs running as they may have"
    if queue.idle > queue.ahead:
        return "starting", "a worker is free and will take it"
    many = "or more " if queue.ahead >= MOST_COUNTED else ""
    return (
        "workers_busy",
        f"all {queue.workers} workers of the pool '{job.pool}' are busy, and {queue.ahead} "
        f"{many}runs are ahead",
    )


def progress(job: Job, outlook: Outlook) -> float:
    """The progress of a job, from 0 to 1; all runs have equal weight."""
    done = sum(outlook.counts.get(state, 0) for state in FINISHED_RUN)
    running = sum(_share(told) for told in outlook.progress if told)
    return min((done + running) / max(job.runs_total, 1), 1.0)


def _share(told: dict[str, Any]) -> float:
    """The progress of a run, from 0 to 1; all levels have equal weight."""
    levels, length = told.get("levels", 0) + 1, told.get("iterations") or 1
    return min((told.get("level", 0) + told.get("iteration", 0) / length) / levels, 1.0)
