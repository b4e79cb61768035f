"""A job's time: `Job.max_seconds` bounds what all its runs and attempts take on devices together.

A run that is executed looks at it with each heartbeat, because runs beside it spend from it too.
Once it is spent, the runs that wait fail as `timeout`; what has succeeded stays.
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
    """What is left of a job's time, in seconds on a device, and how many runs spend it now."""

    left: float
    running: int

    @property
    def lasts(self) -> float:
        """Seconds until it is spent, if as many runs go on as now."""
        return max(self.left, 0.0) / max(self.running, 1)


def of_job(session: Session, job_id: str) -> Budget | None:
    """A job's budget; None when its time is not bounded."""
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
    """Fail the runs that wait if their job's time is spent; returns the events of it.

    One that is being claimed or cancelled at this moment is passed by: its claim finds no time
    left. Nor can it be waited for: the cancel may wait for the run that ends here.
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
