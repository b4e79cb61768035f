"""Endpoints for the results of a job, by run and over its trials."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lth.results.schemas import RunResult
from lth.results.statistics import summarise_job
from lth.results.summary import Summary
from lth.spec.document import parse_spec
from service.api.http.paging import Cursor, Paged, RunLimit
from service.api.http.problems import InvalidRequest, NotFound, answers
from service.api.http.state import AppStateDep
from service.api.jobs.lookup import JobDep
from service.store.runs import runs
from service.store.states import JobState

router = APIRouter(tags=["results"])


class KeyedResult(BaseModel):
    """The result of one run."""

    run: str = Field(description="key of the run", examples=["trial-1/ticket"])
    result: RunResult


class Results(Paged):
    """A page of the results of runs, in the order of the plan."""

    job_id: str
    state: JobState
    results: list[KeyedResult]


class JobSummaryOverTrials(BaseModel):
    """The statistics of a job over its finished levels."""

    job_id: str
    state: JobState
    trials: int = Field(description="trials of which at least one level is finished")
    summary: Summary


@router.get(
    "/jobs/{job_id}/results",
    summary="What a job found out",
    responses=answers(NotFound, InvalidRequest),
)
def get_results(
    job: JobDep, app: AppStateDep, cursor: Cursor = None, limit: RunLimit = 200
) -> Results:
    """Sparsity, densities, histories and accuracies of each run and each finished level.

    The result of a run that has not succeeded is marked as `partial`.
    """
    with app.database.transaction() as session:
        found = runs.result_page(session, job.id, cursor, limit)
    return Results(
        job_id=job.id,
        state=job.state,
        results=[KeyedResult(run=run.key, result=result) for run, result in found.rows],
        cursor=found.cursor,
    )


@router.get(
    "/jobs/{job_id}/summary", summary="A job's statistics over trials", responses=answers(NotFound)
)
def get_summary(job: JobDep, app: AppStateDep) -> JobSummaryOverTrials:
    """Statistics of each experiment over its trials, and comparisons with the dense network.

    They cover the levels that are finished so far; `coverage` tells how many runs have succeeded.
    """
    with app.database.transaction() as session:
        found = [result for _, result in runs.results(session, job.id)]
    return JobSummaryOverTrials(
        job_id=job.id,
        state=job.state,
        trials=len({result.trial for result in found}),
        summary=summarise_job(parse_spec(job.spec), found),
    )
