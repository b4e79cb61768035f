"""``GET /v1/jobs/{job_id}/results``: what the experiments of a job found out."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lth.results import RunResult
from service.api.jobs.lookup import JobDep
from service.api.parts import PartsDep
from service.api.problems import NotFound, answers
from service.store import runs
from service.store.states import JobState

router = APIRouter(tags=["results"])


class KeyedResult(BaseModel):
    """The result of one run."""

    run: str = Field(description="key of the run", examples=["trial-1/ticket"])
    result: RunResult


class Results(BaseModel):
    """The results of a job, in the order of its plan, of the runs that have ended."""

    job_id: str
    state: JobState
    results: list[KeyedResult]


@router.get("/jobs/{job_id}/results", summary="What a job found out", responses=answers(NotFound))
def get_results(job: JobDep, parts: PartsDep) -> Results:
    """Per run and level: sparsity, densities, histories, accuracies.

    Runs that have not ended are not in it; a job that has not is answered with what there is.
    """
    with parts.database.transaction() as session:
        found = runs.results(session, job.id)
    return Results(
        job_id=job.id,
        state=job.state,
        results=[KeyedResult(run=run.key, result=result) for run, result in found],
    )
