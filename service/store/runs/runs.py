"""Runs with their state and their results, for clients."""

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lth.results.schemas import RunResult
from service.store.errors import NotThere
from service.store.paging import Page, position_cursor, position_of
from service.store.tables import Result, Run

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class WithResult:
    """A run that has a result, of all of its levels or of those that are finished.

    Attributes:
        last: number of its last level so far.
        partial: whether the run has not succeeded.
    """

    id: uuid.UUID
    key: str
    last: int
    partial: bool


def of_job(session: Session, job_id: str) -> Sequence[Run]:
    """The runs of a job, in the order of its plan."""
    return session.scalars(select(Run).where(Run.job_id == job_id).order_by(Run.position)).all()


def page(session: Session, job_id: str, cursor: str | None, limit: int) -> Page[Run]:
    """A page of the runs of a job, in the order of its plan.

    Raises:
        BadCursor: if the cursor does not belong to this job.
    """
    query = select(Run).where(Run.job_id == job_id).order_by(Run.position).limit(limit + 1)
    if cursor is not None:
        query = query.where(Run.position > position_of(cursor, job_id))
    found = session.scalars(query).all()
    return _page(found, limit, lambda run: position_cursor(job_id, run.position))


def get(session: Session, job_id: str, key: str) -> Run:
    """One run of a job by its key, such as ``trial-1/ticket``.

    Raises:
        NotThere: if the job has no such run.
    """
    run = session.scalar(select(Run).where(Run.job_id == job_id, Run.key == key))
    if run is None:
        raise NotThere(f"the job '{job_id}' has no run '{key}'")
    return run


def with_result(
    session: Session,
    job_id: str,
    *,
    key: str | None = None,
    most: int | None = None,
    among: Collection[uuid.UUID] | None = None,
) -> list[WithResult]:
    """The runs of a job that have a result, in the order of its plan.

    Args:
        session: the transaction.
        job_id: id of the job.
        key: only the run with this key.
        most: only the first runs, up to this number.
        among: only these runs.
    """
    levels = func.jsonb_array_length(Result.document["levels"])
    query = (
        select(Run.id, Run.key, levels - 1, Result.partial)
        .join(Result, Result.run_id == Run.id)
        .where(Run.job_id == job_id)
        .order_by(Run.position)
        .limit(most)
    )
    if key is not None:
        query = query.where(Run.key == key)
    if among is not None:
        query = query.where(Run.id.in_(among))
    return [WithResult(*row) for row in session.execute(query)]


def documents(
    session: Session, job_id: str, run_id: uuid.UUID | None = None
) -> list[dict[str, Any]]:
    """Stored results of one run, or of all runs of a job in the order of its plan."""
    query = (
        select(Result.document)
        .join(Run, Run.id == Result.run_id)
        .where(Run.job_id == job_id)
        .order_by(Run.position)
    )
    if run_id is not None:
        query = query.where(Run.id == run_id)
    return list(session.scalars(query))


def result_page(
    session: Session, job_id: str, cursor: str | None, limit: int
) -> Page[tuple[Run, RunResult]]:
    """A page of the results of a job's finished experiments, in the order of its plan.

    Raises:
        BadCursor: if the cursor does not belong to this job.
    """
    query = (
        select(Run, Result.document)
        .join(Result, Result.run_id == Run.id)
        .where(Run.job_id == job_id)
        .order_by(Run.position)
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(Run.position > position_of(cursor, job_id))
    found = [(run, RunResult.model_validate(document)) for run, document in session.execute(query)]
    return _page(found, limit, lambda one: position_cursor(job_id, one[0].position))


def _page(found: Sequence[Row], limit: int, cursor_of: Callable[[Row], str]) -> Page[Row]:
    more = len(found) > limit
    return Page(found[:limit], cursor_of(found[limit - 1]) if more else None)


def results(session: Session, job_id: str) -> list[tuple[Run, RunResult]]:
    """The results of a job's finished experiments, in the order of its plan."""
    found = session.execute(
        select(Run, Result.document)
        .join(Result, Result.run_id == Run.id)
        .where(Run.job_id == job_id)
        .order_by(Run.position)
    )
    return [(run, RunResult.model_validate(document)) for run, document in found]
