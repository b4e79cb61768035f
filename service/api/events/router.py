"""``GET /v1/jobs/{job_id}/events``: the events of a job, as a stream."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service.api.accounts.access import CredentialsDep, ReaderDep, viewer_of
from service.api.accounts.key_cache import Holder, KeyCacheDep
from service.api.events.feed import FeedDep
from service.api.http.problems import InvalidRequest, NotFound, answers
from service.api.http.state import AppState, AppStateDep
from service.api.jobs.lookup import JobDep
from service.store.errors import NotThere
from service.store.jobs import jobs

router = APIRouter(tags=["jobs"])


async def _place(principal: ReaderDep, app: AppStateDep, feed: FeedDep) -> AsyncIterator[None]:
    with feed.place(principal.owner, app.connections.bounds):
        yield


@router.get(
    "/jobs/{job_id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses=answers(NotFound, InvalidRequest),
    dependencies=[Depends(_place)],
)
async def watch_job(
    job: JobDep,
    app: AppStateDep,
    feed: FeedDep,
    key_cache: KeyCacheDep,
    credentials: CredentialsDep,
    last_event_id: Annotated[
        int, Header(ge=0, lt=2**31, description="number of the last event that you have")
    ] = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events, from the first one or from after `Last-Event-ID`, without gaps.

    The stream ends after `job_finished`, or when the key is revoked or expires, or when the job is
    no longer visible. The service sends a
    comment every 15 seconds if there is no event.
    """

    async def may_watch(holder: Holder) -> bool:
        return await run_in_threadpool(_sees, app, holder, job.id)

    let_in = key_cache.lasting(credentials.credentials, may_watch)
    async for event in feed.watch(job, last_event_id):
        if not await let_in():
            return
        yield event


def _sees(app: AppState, holder: Holder, job_id: str) -> bool:
    with app.database.transaction() as session, suppress(NotThere):
        jobs.get(session, job_id, viewer_of(holder))
        return True
    return False
