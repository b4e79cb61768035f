"""Finds the job of a path, if the principal may see it."""

from typing import Annotated

from fastapi import Depends, Path
from sqlalchemy.orm import Session

from service.api.accounts.access import Principal, ReaderDep
from service.api.http.state import AppStateDep
from service.store.jobs import jobs
from service.store.tables import Job

JobId = Annotated[
    str,
    Path(
        description="the job's id; or its name, or the beginning of its id, if no other job has it",
        examples=["job_0199f0c2a5d87c3e8a51f2f7f9d1c001"],
    ),
]


def changeable(session: Session, job_id: str, principal: Principal) -> Job:
    """A job that the principal may change, by its id or as `jobs.find` finds it.

    Raises:
        NotThere: if it does not exist or is not visible; both look the same.
        Forbidden: if it is visible, but belongs to somebody else.
    """
    job = visible(session, job_id, principal)
    principal.check_may_change(job)
    return job


def visible(session: Session, job_id: str, principal: Principal) -> Job:
    """A job that the principal may see, by its id or as `jobs.find` finds it.

    Raises:
        NotThere: if it does not exist or is not visible; both look the same.
    """
    return jobs.find(session, job_id, principal.viewer)


def _job(job_id: JobId, principal: ReaderDep, app: AppStateDep) -> Job:
    with app.database.transaction() as session:
        return visible(session, job_id, principal)


JobDep = Annotated[Job, Depends(_job)]
