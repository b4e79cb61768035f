"""Submit jobs, list them, look at one and at its runs."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response, status

from lth.plan import plan
from service.api.access import MemberDep, ReaderDep
from service.api.documents import JsonBytes
from service.api.jobs.lookup import JobDep
from service.api.jobs.shapes import JobPage, JobSummary, JobView, RunList, job_view, run_view
from service.api.jobs.submission import EXAMPLES, read_submission
from service.api.parts import PartsDep
from service.api.problems import (
    BodyTooLarge,
    InvalidRequest,
    MalformedBody,
    NotFound,
    QuotaExceeded,
    UnsupportedMediaType,
    answers,
)
from service.store import jobs, runs
from service.store.jobs import JobFilter
from service.store.submitting import Submission, submit

router = APIRouter(tags=["jobs"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Submission"},
                "examples": EXAMPLES,
            }
        },
    }
}


@router.post(
    "/jobs",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Submit a job",
    openapi_extra=_BODY,
    responses={
        **answers(MalformedBody, BodyTooLarge, UnsupportedMediaType, InvalidRequest, QuotaExceeded),
    },
)
def submit_job(
    request: Request, response: Response, principal: MemberDep, body: JsonBytes, parts: PartsDep
) -> JobView:
    """Validate a spec, plan its runs and queue them.

    Once this has answered 202, the job is in the database and cannot be lost. A spec that is
    wrong is answered with every wrong field at once, and leaves nothing behind.
    """
    spec, options = read_submission(body, parts.settings)
    submission = Submission(
        owner=principal.owner,
        spec=spec,
        runs=plan(spec),
        priority=options.priority,
        pool=options.pool,
        max_seconds=options.max_seconds,
    )
    with parts.database.transaction() as session:
        submitted = submit(session, submission, parts.settings)
    parts.hints.wake(submitted.job.pool, submitted.job.runs_total)
    view = job_view(submitted.job)
    response.headers["Location"] = str(request.app.url_path_for("show_job", job_id=view.id))
    return view


@router.get("/jobs", summary="List jobs", responses=answers(InvalidRequest))
def list_jobs(
    principal: ReaderDep,
    parts: PartsDep,
    cursor: Annotated[str | None, Query(max_length=200, description="of an earlier page")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="jobs a page")] = 50,
) -> JobPage:
    """Jobs, newest first. Pages stay right while jobs are added."""
    wanted = JobFilter(owner=principal.sees)
    with parts.database.transaction() as session:
        found = jobs.page(session, wanted, cursor, limit)
    return JobPage(jobs=[JobSummary.model_validate(job) for job in found.jobs], cursor=found.cursor)


@router.get("/jobs/{job_id}", summary="Look at a job", responses=answers(NotFound))
def show_job(job: JobDep) -> JobView:
    """A job's state, and the spec as it was understood."""
    return job_view(job)


@router.get("/jobs/{job_id}/runs", summary="Look at a job's runs", responses=answers(NotFound))
def list_runs(job: JobDep, parts: PartsDep) -> RunList:
    """The runs that the job was planned into, in that order, with their progress."""
    with parts.database.transaction() as session:
        found = runs.of_job(session, job.id)
    return RunList(runs=[run_view(run) for run in found])
