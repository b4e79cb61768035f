"""The job that a path names, if the principal may see it."""

from typing import Annotated

from fastapi import Depends, Path

from service.api.access import ReaderDep
from service.api.parts import PartsDep
from service.api.problems import NotFound
from service.store import jobs
from service.store.tables import Job

JobId = Annotated[
    str, Path(description="the job's id", examples=["job_0199f0c2a5d87c3e8a51f2f7f9d1c001"])
]


def _job(job_id: JobId, principal: ReaderDep, parts: PartsDep) -> Job:
    if "\0" in job_id:  # Postgres has no such text.
        raise NotFound(f"there is no job {job_id!r}")
    with parts.database.transaction() as session:
        return jobs.get(session, job_id, principal.sees)


JobDep = Annotated[Job, Depends(_job)]
"""Another owner's job is not there: the answer is 404, as for one that never was."""
