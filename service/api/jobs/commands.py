"""Endpoints that cancel, retry and delete a job."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from service.api.accounts.access import MemberDep
from service.api.http.problems import (
    Conflict,
    Forbidden,
    NotFound,
    QuotaExceeded,
    TooManyRequests,
    answers,
)
from service.api.http.state import AppStateDep
from service.api.jobs.lookup import JobId, visible
from service.api.jobs.pools import PoolsDep
from service.api.jobs.shapes import JobView, job_view
from service.store.accounts import audit
from service.store.jobs import commands, webhooks

router = APIRouter(tags=["jobs"], responses=answers(Forbidden, NotFound, Conflict))


@router.post("/jobs/{job_id}/cancel", status_code=status.HTTP_202_ACCEPTED, summary="Cancel a job")
def cancel_job(job_id: JobId, principal: MemberDep, app: AppStateDep) -> JobView:
    """Queued runs are cancelled at once. Running ones stop at their next evaluation point.

    A checkpoint is kept, so a retry continues from there. Cancelling again changes nothing. A
    finished job answers 409.
    """
    with app.database.transaction() as session:
        job = visible(session, job_id, principal)
        commands.cancel(session, job)
        audit.record(session, principal.actor, "job.cancel", job.id)
    return job_view(job)


@router.post(
    "/jobs/{job_id}/retry",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Retry a job",
    responses=answers(TooManyRequests, QuotaExceeded),
)
def retry_job(
    job_id: JobId,
    principal: MemberDep,
    app: AppStateDep,
    pools: PoolsDep,
    afresh: Annotated[
        bool, Query(description="from the beginning, instead of from the last checkpoint")
    ] = False,
) -> JobView:
    """Queue the failed and cancelled runs of a job again. Succeeded runs are kept."""
    with app.database.transaction() as session:
        job = visible(session, job_id, principal)
        commands.retry(session, job, afresh=afresh)
        webhooks.reset(session, job.id)
        audit.record(session, principal.actor, "job.retry", job.id, afresh=afresh)
    if pools.knows(job.pool):
        app.hints.wake(job.pool, job.runs_total - job.runs_finished)
    return job_view(job)


@router.delete(
    "/jobs/{job_id}", status_code=status.HTTP_204_NO_CONTENT, summary="Delete a finished job"
)
def delete_job(job_id: JobId, principal: MemberDep, app: AppStateDep) -> Response:
    """Delete the job with its events, results and files. The space is freed later."""
    with app.database.transaction() as session:
        job = visible(session, job_id, principal)
        commands.delete(session, job)
        audit.record(session, principal.actor, "job.delete", job_id, owner=job.owner, name=job.name)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
