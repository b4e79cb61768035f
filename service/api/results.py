"""What the experiments of a job found out, run by run and over its trials."""

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
    """Results of a job, in the order of its plan, of the runs that have ended."""

    job_id: str
    state: JobState
    results: list[KeyedResult]


class JobSummaryOverTrials(BaseModel):
    """The statistics of a job, of the runs that have succeeded."""

    job_id: str
    state: JobState
    trials: int = Field(description="trials of which at least one run has succeeded")
    summary: Summary


@router.get(
    "/jobs/{job_id}/results",
    summary="What a job found out",
    responses=answers(NotFound, InvalidRequest),
)
def get_results(
    job: JobDep, app: AppStateDep, cursor: Cursor = None, limit: RunLimit = 200
) -> Results:
    """Per run and level: sparsity, densities, histories, accuracies.

    Runs that have not ended are not in it; a job that has not is answered with what there is.
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
    """Each experiment over its trials, against the dense network and against its controls.

    It is of the runs that have succeeded so far; `coverage` says how many of the planned ones
    those are.
    """
    with app.database.transaction() as session:
        found = [result for _, result in runs.results(session, job.id)]
    return JobSummaryOverTrials(
        job_id=job.id,
        state=job.state,
        trials=len({result.trial for result in found}),
        summary=summarise_job(parse_spec(job.spec), found),
    )
