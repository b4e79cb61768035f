"""The state of a job follows from its runs. It is computed whenever a run ends."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.store.jobs import events
from service.store.jobs.events import EventKind, New
from service.store.states import FINISHED_JOB, FINISHED_RUN, job_state
from service.store.tables import Job, Run


def update_job_state(session: Session, job_id: str, happened: Sequence[New]) -> None:
    """Add events of a job's runs, and update the state of the job.

    The runs must be written and locked before. Claims write the start of a run by themselves.
    """
    job, now = session.execute(
        select(Job, func.clock_timestamp())
        .where(Job.id == job_id)
        .with_for_update(key_share=True, of=Job)
        .execution_options(populate_existing=True)
    ).one()
    counted = select(Run.state, func.count()).where(Run.job_id == job_id).group_by(Run.state)
    counts = {state: number for state, number in session.execute(counted)}  # noqa: C416
    state = job_state(counts)
    ended = state in FINISHED_JOB
    job.state = state
    job.runs_finished = sum(counts.get(end, 0) for end in FINISHED_RUN)
    job.finished_at = now if ended else None
    failed = next((new for new in happened if new.kind is EventKind.RUN_FAILED), None)
    if failed is not None and job.failure is None:
        job.failure = {"run": failed.run, **failed.data}
    if ended:
        happened = [*happened, New(EventKind.JOB_FINISHED, data={"state": state})]
    first = job.events + 1
    job.events += len(happened)
    session.flush()
    events.write(session, job_id, first, happened)


def rank_delay(priority: int, ageing_seconds: float) -> timedelta:
    """How much earlier a job counts as submitted because of its priority (see `Run.rank`)."""
    return timedelta(seconds=priority * ageing_seconds)
