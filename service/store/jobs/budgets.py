"""The time budget of a job: `Job.max_seconds` bounds the device time of all its runs and attempts.

Running runs check it with each heartbeat, because they spend it together. When it is spent, queued
runs fail as `timeout`. Succeeded runs stay.
"""

from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.store.jobs.events import EventKind, New
from service.store.states import Reason, RunState
from service.store.tables import Job, Run

SPENT = (
    "its job has used up its max_seconds; retry the job, which gives it as many again, or submit "
    "it with more"
)


@dataclass(frozen=True, slots=True)
class Budget:
    """The rest of a job's budget in device seconds, and the number of runs that spend it."""

    left: float
    running: int

    @property
    def lasts(self) -> float:
        """Seconds until the budget is spent, with the current number of runs."""
        return max(self.left, 0.0) / max(self.running, 1)


def of_job(session: Session, job_id: str) -> Budget | None:
    """The budget of a job; None if unlimited."""
    running = Run.state == RunState.RUNNING
    since = func.extract("epoch", func.clock_timestamp() - Run.started_at)
    row = session.execute(
        select(
            Job.max_seconds + Job.seconds_before_retry - func.sum(Run.seconds),
            func.coalesce(func.sum(since).filter(running), 0.0),
            func.count().filter(running),
        )
        .join(Run, Run.job_id == Job.id)
        .where(Job.id == job_id, Job.max_seconds.is_not(None))
        .group_by(Job.id)
    ).one_or_none()
    return None if row is None else Budget(float(row[0]) - float(row[1]), row[2])


def end_waiting(session: Session, job_id: str) -> list[New]:
    """If the budget of a job is spent, fail its queued runs; returns the events.

    Runs whose rows are locked by a claim or a cancellation are skipped. A claim will find the
    budget spent. Waiting could deadlock, because the cancellation may wait for the run that ends
    here.
    """
    budget = of_job(session, job_id)
    if budget is None or budget.left > 0:
        return []
    waiting = (
        select(Run.id)
        .where(Run.job_id == job_id, Run.state.in_((RunState.BLOCKED, RunState.QUEUED)))
        .with_for_update(key_share=True, skip_locked=True)
    )
    ended = session.execute(
        update(Run)
        .where(Run.id.in_(session.scalars(waiting).all()))
        .values(
            state=RunState.FAILED,
            finished_at=func.clock_timestamp(),
            failure_reason=Reason.TIMEOUT,
            failure_message=SPENT,
        )
        .returning(Run.key, Run.attempt)
        .execution_options(synchronize_session=False)
    )
    told = {"reason": Reason.TIMEOUT, "message": SPENT}
    return [New(EventKind.RUN_FAILED, key, {"attempt": n, **told}) for key, n in ended]
