"""Commands on a job: cancel, retry, change, delete."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, func, select, text, update
from sqlalchemy import delete as drop
from sqlalchemy.orm import Session, aliased

from service.store.accounts import keys, owners
from service.store.errors import NotInThatState, NotThere
from service.store.jobs.events import EventKind, New
from service.store.jobs.job_state import update_job_state
from service.store.states import FINISHED_JOB, FINISHED_RUN, JobState, Reason, RunState
from service.store.tables import Artifact, Job, Result, Run, RunNeed

_BEST_LEFT = text(
    """
    SELECT max((level -> 'early_stop' -> 'test' ->> 'accuracy')::double precision)
    FROM results, jsonb_array_elements(document -> 'levels') level
    WHERE job_id = :job_id
    """
)


def cancel(session: Session, job: Job) -> Job:
    """Cancel queued runs at once, and ask running ones to stop. A cancelled job stays as it is.

    Raises:
        NotInThatState: if the job has finished otherwise.
    """
    unfinished = _lock(session, job, Run.state.not_in(FINISHED_RUN))
    if not unfinished:
        raise NotInThatState(f"the job '{job.id}' has finished ({job.state}); nothing to cancel")
    for run in unfinished:
        run.cancel_requested = True
        if run.state is not RunState.RUNNING:
            run.state = RunState.CANCELLED
            run.failure_reason = Reason.CANCELLED
            run.failure_message = "cancelled on request"
            run.finished_at = func.clock_timestamp()  # pyright: ignore[reportAttributeAccessIssue]
    session.execute(
        update(Job)
        .where(Job.id == job.id, Job.cancel_requested_at.is_(None))
        .values(cancel_requested_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )
    session.flush()
    happened = [New(EventKind.JOB_CANCEL_REQUESTED)]
    happened += [
        New(EventKind.RUN_CANCELLED, run.key)
        for run in unfinished
        if run.state is RunState.CANCELLED
    ]
    update_job_state(session, job.id, happened)
    session.refresh(job)
    return job


def retry(session: Session, job: Job, *, afresh: bool = False) -> Job:
    """Queue the runs of a finished job again that did not succeed.

    They continue from their last checkpoint, or start again with `afresh`. Their time limits start
    again.

    Raises:
        NotInThatState: if the job has not finished, or has succeeded.
        NotThere: if it was deleted meanwhile.
        QuotaExceeded: if the owner's quota has no room for another unfinished job.
    """
    _hold(session, job)
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        raise NotInThatState(
            f"the job '{job.id}' is {job.state}; only a failed or cancelled one can be retried"
        )
    owners.check_room_for_a_job(session, job.owner)
    waiting_for = _waiting_for(session, job)
    for run in _lock(session, job, Run.state != RunState.SUCCEEDED):
        run.waiting_for = waiting_for.get(run.id, 0)
        run.state = RunState.BLOCKED if run.waiting_for else RunState.QUEUED
        run.queued_at = None if run.waiting_for else func.clock_timestamp()  # pyright: ignore[reportAttributeAccessIssue]
        run.losses, run.killed_with_memory = 0, None
        run.cancel_requested, run.seconds = False, 0.0
        run.failure_reason = run.failure_message = run.log_tail = None
        run.finished_at = run.worker_id = None
        if afresh:
            run.checkpoint_digest = run.progress = None
            _drop_results(session, job, [run.id])
    session.flush()
    session.execute(
        update(Job)
        .where(Job.id == job.id)
        .values(cancel_requested_at=None, failure=None, seconds_before_retry=_taken(job))
        .execution_options(synchronize_session=False)
    )
    update_job_state(session, job.id, [New(EventKind.JOB_RETRIED, data={"afresh": afresh})])
    session.refresh(job)
    return job


def change(session: Session, job: Job, values: Mapping[str, Any]) -> None:
    """Set the team or the labels of a job.

    Raises:
        NotThere: if it was deleted meanwhile.
    """
    _hold(session, job)
    for name, value in values.items():
        setattr(job, name, value)
    session.flush()
    if "team" in values:
        keys.announce_change(session)


def rerun(session: Session, job: Job, run_ids: Collection[uuid.UUID]) -> None:
    """Queue succeeded runs again whose files are damaged; they give the same bytes.

    Runs that needed them keep their results.

    Raises:
        NotThere: if the job was deleted meanwhile.
    """
    _hold(session, job)
    runs = _lock(session, job, Run.id.in_(run_ids) & (Run.state == RunState.SUCCEEDED))
    found = [run.id for run in runs]
    _drop_results(session, job, found)
    session.execute(drop(Artifact).where(Artifact.job_id == job.id, Artifact.run_id.is_(None)))
    for run in runs:
        run.state = RunState.QUEUED
        run.queued_at = func.clock_timestamp()  # pyright: ignore[reportAttributeAccessIssue]
        run.losses, run.killed_with_memory = 0, None
        run.cancel_requested, run.seconds = False, 0.0
        run.finished_at = run.worker_id = run.progress = run.log_digest = None
    session.flush()
    happened = [
        New(EventKind.RUN_QUEUED, run.key, {"why": "its files are damaged"}) for run in runs
    ]
    update_job_state(session, job.id, happened)


def delete(session: Session, job: Job) -> None:
    """Delete a finished job with all its data; its blobs are deleted later.

    Raises:
        NotInThatState: if it has not finished.
        NotThere: if it was deleted meanwhile.
    """
    _hold(session, job)
    if job.state not in FINISHED_JOB:
        raise NotInThatState(f"the job '{job.id}' is {job.state}; cancel it before deleting it")
    session.delete(job)
    session.flush()


def _drop_results(session: Session, job: Job, run_ids: Sequence[uuid.UUID]) -> None:
    session.execute(drop(Result).where(Result.run_id.in_(run_ids)))
    session.execute(drop(Artifact).where(Artifact.run_id.in_(run_ids)))
    best = _BEST_LEFT.bindparams(job_id=job.id)
    job.best_accuracy = session.scalar(best)


def _hold(session: Session, job: Job) -> None:
    """Lock a finished job before its runs; no other transaction locks runs of a finished job."""
    if session.get(Job, job.id, with_for_update=True, populate_existing=True) is None:
        raise NotThere(f"there is no job '{job.id}' any more")


def _lock(session: Session, job: Job, condition: ColumnElement[bool]) -> Sequence[Run]:
    """The runs of a job that meet a condition, locked in the order of the plan."""
    return session.scalars(
        select(Run)
        .where(Run.job_id == job.id, condition)
        .order_by(Run.position)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()


def _taken(job: Job) -> ScalarSelect[float]:
    """The device seconds of a job's runs, without runs that start again from the beginning."""
    taken = func.coalesce(func.sum(Run.seconds), 0.0)
    return select(taken).where(Run.job_id == job.id).scalar_subquery()


def _waiting_for(session: Session, job: Job) -> dict[uuid.UUID, int]:
    """For each run of a job, the number of runs it needs that have not succeeded."""
    needed = aliased(Run)
    rows = session.execute(
        select(RunNeed.run_id, func.count())
        .join(Run, Run.id == RunNeed.run_id)
        .join(needed, needed.id == RunNeed.needs_id)
        .where(Run.job_id == job.id, needed.state != RunState.SUCCEEDED)
        .group_by(RunNeed.run_id)
    )
    return {run_id: count for run_id, count in rows}  # noqa: C416
