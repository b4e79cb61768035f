"""The runs of a job that need another run: queued when it succeeds, cancelled when it fails.

Updating these rows cannot deadlock. The ends of an owner's runs take turns at the owner's row, and
a cancellation locks runs in the order of the plan, so it waits for the run that ends before it
reaches the runs that need it.
"""

import uuid
from collections.abc import Sequence

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.orm import Session

from service.store.states import Reason, RunState
from service.store.tables import Run, RunNeed


def release(session: Session, run_id: uuid.UUID) -> Sequence[Run]:
    """Record that a run has succeeded; returns the runs that can start now."""
    last = Run.waiting_for == 1
    updated = session.scalars(
        update(Run)
        .where(*_waiting_for(run_id))
        .values(
            waiting_for=Run.waiting_for - 1,
            state=case((last, RunState.QUEUED.value), else_=RunState.BLOCKED.value),
            queued_at=case((last, func.clock_timestamp()), else_=None),
        )
        .returning(Run)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).all()
    return [run for run in updated if run.state is RunState.QUEUED]


def cancel(session: Session, run_id: uuid.UUID, why: str) -> Sequence[str]:
    """Cancel all runs that need a run and have not started; returns their keys."""
    return session.scalars(
        update(Run)
        .where(*_waiting_for(run_id))
        .values(
            state=RunState.CANCELLED,
            finished_at=func.clock_timestamp(),
            failure_reason=Reason.CANCELLED,
            failure_message=why,
        )
        .returning(Run.key)
        .execution_options(synchronize_session=False)
    ).all()


def _waiting_for(run_id: uuid.UUID) -> tuple[ColumnElement[bool], ...]:
    """The condition that a run needs this one."""
    needing = select(RunNeed.run_id).where(RunNeed.needs_id == run_id)
    return Run.id.in_(needing), Run.state == RunState.BLOCKED
