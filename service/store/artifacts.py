"""The files that the runs of a job left behind. A name is ``{run key}/{name of the file}``."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store.errors import NotThere
from service.store.tables import Artifact


def of_job(session: Session, job_id: str) -> Sequence[Artifact]:
    """All artifacts of a job, by name."""
    return session.scalars(
        select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.name)
    ).all()


def get(session: Session, job_id: str, name: str) -> Artifact:
    """One artifact of a job.

    Raises:
        NotThere: when the job has none of that name (yet).
    """
    artifact = session.get(Artifact, (job_id, name))
    if artifact is None:
        raise NotThere(f"the job '{job_id}' has no artifact '{name}'")
    return artifact


def named(session: Session, job_id: str, ending: str) -> Sequence[Artifact]:
    """The artifacts of a job whose name within their run is `ending`, by name."""
    return session.scalars(
        select(Artifact)
        .where(Artifact.job_id == job_id, Artifact.name.endswith(f"/{ending}", autoescape=True))
        .order_by(Artifact.name)
    ).all()
