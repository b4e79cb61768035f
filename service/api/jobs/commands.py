"""Endpoints that cancel, retry, change and delete a job."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from lth.spec.document import Labels
from service.api.accounts.access import MemberDep
from service.api.accounts.sharing import check_team
from service.api.http.documents import JsonBytes, json_body, parse_json, validated
from service.api.http.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    InvalidRequest,
    MalformedBody,
    NotFound,
    QuotaExceeded,
    TooManyRequests,
    UnsupportedMediaType,
    answers,
)
from service.api.http.state import AppStateDep
from service.api.jobs.lookup import JobId, changeable
from service.api.jobs.pools import PoolsDep
from service.api.jobs.shapes import JobView, job_view
from service.store.accounts import audit
from service.store.accounts.owners import NAME
from service.store.jobs import commands, webhooks

router = APIRouter(tags=["jobs"], responses=answers(Forbidden, NotFound, Conflict))


@router.post("/jobs/{job_id}/cancel", status_code=status.HTTP_202_ACCEPTED, summary="Cancel a job")
def cancel_job(job_id: JobId, principal: MemberDep, app: AppStateDep) -> JobView:
    """Queued runs are cancelled at once. Running ones stop at their next evaluation point.

    A checkpoint is kept, so a retry continues from there. Cancelling again changes nothing. A
    finished job answers 409.
    """
    with app.database.transaction() as session:
        job = changeable(session, job_id, principal)
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
        job = changeable(session, job_id, principal)
        commands.retry(session, job, afresh=afresh)
        webhooks.reset(session, job.id)
        audit.record(session, principal.actor, "job.retry", job.id, afresh=afresh)
    if pools.knows(job.pool):
        app.hints.wake(job.pool, job.runs_total - job.runs_finished)
    return job_view(job)


class JobChange(BaseModel):
    """A change of a job; fields that are not sent stay as they are."""

    model_config = ConfigDict(extra="forbid")

    team: str | None = Field(
        default=None,
        pattern=NAME,
        description="a team of yours that sees the job and reuses its results; null: only you",
    )
    labels: Labels = Field(default={}, description="all labels of the job")


_CHANGE: TypeAdapter[JobChange] = TypeAdapter(JobChange)


@router.patch(
    "/jobs/{job_id}",
    summary="Change the team or the labels of a job",
    openapi_extra=json_body(JobChange),
    responses=answers(MalformedBody, BodyTooLarge, UnsupportedMediaType, InvalidRequest),
)
def change_job(job_id: JobId, principal: MemberDep, body: JsonBytes, app: AppStateDep) -> JobView:
    """Its spec, its results and its place in the queue stay as they are."""
    change = validated(_CHANGE, parse_json(body)).model_dump(exclude_unset=True)
    if change.get("team") is not None:
        check_team(app, principal, change["team"])
    with app.database.transaction() as session:
        job = changeable(session, job_id, principal)
        commands.change(session, job, change)
        audit.record(session, principal.actor, "job.change", job.id, **change)
    return job_view(job)


@router.delete(
    "/jobs/{job_id}", status_code=status.HTTP_204_NO_CONTENT, summary="Delete a finished job"
)
def delete_job(job_id: JobId, principal: MemberDep, app: AppStateDep) -> Response:
    """Delete the job with its events, results and files. The space is freed later."""
    with app.database.transaction() as session:
        job = changeable(session, job_id, principal)
        commands.delete(session, job)
        audit.record(session, principal.actor, "job.delete", job_id, owner=job.owner, name=job.name)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
