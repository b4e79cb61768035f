"""Endpoints that list jobs, and show one job and its runs."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.api.accounts.access import ReaderDep
from service.api.http.documents import answer
from service.api.http.paging import Cursor, RunLimit
from service.api.http.problems import InvalidRequest, NotFound, answers
from service.api.http.state import AppStateDep
from service.api.jobs.listing import JobQuery
from service.api.jobs.lookup import JobDep, JobId, visible
from service.api.jobs.shapes import (
    JobDetail,
    JobPage,
    JobSummary,
    RunList,
    WebhookView,
    job_view,
    run_view,
)
from service.api.jobs.waiting import progress, waiting
from service.store.jobs import jobs, webhooks
from service.store.jobs.queue_position import outlook
from service.store.runs import runs

router = APIRouter(tags=["jobs"])


@router.get("/jobs", summary="List jobs", response_model=JobPage, responses=answers(InvalidRequest))
def list_jobs(
    principal: ReaderDep, app: AppStateDep, query: Annotated[JobQuery, Query()]
) -> Response:
    """Jobs, newest first, in pages. Pages stay correct while jobs are added."""
    wanted = query.wanted_by(principal)
    if wanted is None:
        return answer(JobPage(jobs=[], cursor=None))
    with app.database.transaction() as session:
        found = jobs.page(session, wanted, query.cursor, query.limit)
    listed = [JobSummary.model_validate(job) for job in found.rows]
    return answer(JobPage(jobs=listed, cursor=found.cursor))


@router.get("/jobs/{job_id}", summary="Look at a job", responses=answers(NotFound))
def show_job(job_id: JobId, principal: ReaderDep, app: AppStateDep) -> JobDetail:
    """The state of a job, its progress, and why it waits."""
    with app.database.transaction() as session:
        job = visible(session, job_id, principal)
        now = outlook(session, job)
        webhook = webhooks.get(session, job.id) if principal.may_change(job) else None
    return JobDetail(
        **job_view(job).model_dump(),
        progress=progress(job, now),
        seconds=now.seconds,
        waiting=waiting(job, now.queue),
        webhook=None if webhook is None else WebhookView.model_validate(webhook),
    )


@router.get(
    "/jobs/{job_id}/runs",
    summary="Look at a job's runs",
    responses=answers(NotFound, InvalidRequest),
)
def list_runs(
    job: JobDep, app: AppStateDep, cursor: Cursor = None, limit: RunLimit = 500
) -> RunList:
    """The runs of the job, in the order of its plan, with their progress."""
    with app.database.transaction() as session:
        found = runs.page(session, job.id, cursor, limit)
    return RunList(runs=[run_view(run) for run in found.rows], cursor=found.cursor)
