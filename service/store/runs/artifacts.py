"""The files of a job's runs. The name of a file is ``{run key}/{name within the run}``."""

import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from lth.results.artifacts import JOB
from service.store.errors import NotThere
from service.store.tables import Artifact, Run

_WRITTEN = ("job_id", "name", "run_id", "digest", "media_type", "size")


def of_job(session: Session, job_id: str) -> Sequence[Artifact]:
    """All artifacts of a job."""
    return session.scalars(select(Artifact).where(Artifact.job_id == job_id)).all()


def of_runs(session: Session, run_ids: Sequence[uuid.UUID]) -> Sequence[Artifact]:
    """The artifacts of some runs."""
    return session.scalars(select(Artifact).where(Artifact.run_id.in_(run_ids))).all()


def of_whole_job(session: Session, job_id: str) -> Sequence[Artifact]:
    """The artifacts of the whole job."""
    mine = (Artifact.job_id == job_id, Artifact.name.startswith(f"{JOB}/"))
    return session.scalars(select(Artifact).where(*mine, Artifact.run_id.is_(None))).all()


def of_run(session: Session, run_id: uuid.UUID) -> Sequence[Artifact]:
    """The artifacts of one run."""
    return session.scalars(select(Artifact).where(Artifact.run_id == run_id)).all()


def find(session: Session, job_id: str, name: str) -> Artifact | None:
    """The artifact of a job with this name; None if there is none."""
    return session.get(Artifact, (job_id, name))


def get(session: Session, job_id: str, name: str) -> Artifact:
    """The artifact of a job with this name.

    Raises:
        NotThere: if the job does not have it, or not yet.
    """
    artifact = find(session, job_id, name)
    if artifact is None:
        raise NotThere(f"the job '{job_id}' has no artifact '{name}'")
    return artifact


def first(session: Session, job_id: str, ending: str, run: str | None = None) -> Artifact:
    """The artifact of a job whose name within its run is `ending`.

    Without a run, it is that of the first run that has one.

    Raises:
        NotThere: if there is none, or not yet.
    """
    query = (
        select(Artifact)
        .join(Run, Run.id == Artifact.run_id)
        .where(Artifact.job_id == job_id, Artifact.name == Run.key + f"/{ending}")
        .order_by(Run.position)
        .limit(1)
    )
    if run is not None:
        query = query.where(Run.key == run)
    artifact = session.scalar(query)
    if artifact is None:
        where = f"the run '{run}' of the job '{job_id}'" if run else f"the job '{job_id}'"
        raise NotThere(f"{where} has no '{ending}'")
    return artifact


def add(session: Session, made: Sequence[Artifact]) -> None:
    """Store files whose blobs are saved; existing files with the same name stay."""
    rows = [{column: getattr(artifact, column) for column in _WRITTEN} for artifact in made]
    session.execute(insert(Artifact).values(rows).on_conflict_do_nothing())
