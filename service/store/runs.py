"""Runs as clients see them: their state, and what they found out."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lth.results import RunResult
from service.store.errors import NotThere
from service.store.tables import Result, Run


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has a result.

    Attributes:
        last: number of its last level.
    """

    id: uuid.UUID
    key: str
    last: int


def of_job(session: Session, job_id: str) -> Sequence[Run]:
    """The runs of a job, in the order of its plan."""
    return session.scalars(select(Run).where(Run.job_id == job_id).order_by(Run.position)).all()


def get(session: Session, job_id: str, key: str) -> Run:
    """One run of a job by its key, such as ``trial-1/ticket``.

    Raises:
        NotThere: when the job has no such run.
    """
    run = session.scalar(select(Run).where(Run.job_id == job_id, Run.key == key))
    if run is None:
        raise NotThere(f"the job '{job_id}' has no run '{key}'")
    return run


def finished(
    session: Session, job_id: str, *, key: str | None = None, most: int | None = None
) -> list[Finished]:
    """The runs of a job that have a result, in the order of its plan.

    Args:
        session: to look in.
        job_id: of the job.
        key: of the one run that is of interest.
        most: only the first so many.
    """
    levels = func.jsonb_array_length(Result.document["levels"])
    query = (
        select(Run.id, Run.key, levels - 1)
        .join(Result, Result.run_id == Run.id)
        .where(Run.job_id == job_id)
        .order_by(Run.position)
        .limit(most)
    )
    if key is not None:
        query = query.where(Run.key == key)
    return [Finished(*row) for row in session.execute(query)]


def documents(
    session: Session, job_id: str, run_id: uuid.UUID | None = None
) -> list[dict[str, Any]]:
    """Results as they are stored: of this run, if one is given, or of all of a job by its plan."""
    query = (
        select(Result.document)
        .join(Run, Run.id == Result.run_id)
        .where(Run.job_id == job_id)
        .order_by(Run.position)
    )
    if run_id is not None:
        query = query.where(Run.id == run_id)
    return list(session.scalars(query))


def results(session: Session, job_id: str) -> list[tuple[Run, RunResult]]:
    """The results of a job's finished experiments, in the order of its plan."""
    found = session.execute(
        select(Run, Result.document)
        .join(Result, Result.run_id == Run.id)
        .where(Run.job_id == job_id)
        .order_by(Run.position)
    )
    return [(run, RunResult.model_validate(document)) for run, document in found]
