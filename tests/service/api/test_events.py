"""Following a job: no event is lost, at any time, with many watchers."""

import asyncio
import json
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from httpx_sse import EventSource, aconnect_sse, connect_sse
from sqlalchemy import text, update

from lth.client.tokens import new_token
from service.store.accounts import keys
from service.store.jobs import events
from service.store.jobs.events import EventKind, New
from service.store.states import JobState
from service.store.tables import Job, Role
from tests.service.api.conftest import ADMIN, client, serving
from tests.service.api.test_submitting import problem
from tests.worker.rig import eventually


@pytest.fixture
def job(api) -> str:
    return api.post("/v1/jobs", json={"kind": "model"}).json()["id"]


def append_events(database, job: str, *kinds: EventKind, data: dict | None = None) -> int:
    with database.transaction() as session:
        return events.append(session, job, [New(kind, data=data or {}) for kind in kinds])


def finish(database, job: str) -> None:
    with database.transaction() as session:
        session.execute(update(Job).where(Job.id == job).values(state=JobState.SUCCEEDED))
        events.append(session, job, [New(EventKind.JOB_FINISHED)])


def follow(api, job: str, after: int | None = None) -> list:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with connect_sse(api, "GET", f"/v1/jobs/{job}/events", headers=headers) as source:
        return list(source.iter_sse())


def numbers(found) -> list[int]:
    return [int(event.id) for event in found]


def test_the_stream_of_a_finished_job_has_all_events_and_ends(api, database, job):
    append_events(database, job, EventKind.RUN_STARTED, data={"worker": "w"})
    finish(database, job)
    found = follow(api, job)
    assert [event.event for event in found] == ["job_queued", "run_started", "job_finished"]
    assert numbers(found) == [1, 2, 3]
    document = json.loads(found[1].data)
    assert document["number"] == 2
    assert document["data"] == {"worker": "w"}


@pytest.mark.parametrize(("after", "rest"), [(0, [1, 2]), (1, [2]), (2, []), (99, [])])
def test_a_client_that_reconnects_gets_the_missed_events(api, database, job, after, rest):
    finish(database, job)
    assert numbers(follow(api, job, after)) == rest


def test_events_are_streamed_without_polling(api, database, job, monkeypatch):
    monkeypatch.setattr(
        "service.api.events.feed._POLL_SECONDS", 3_600.0
    )  # so that polling finds no event
    with connect_sse(api, "GET", f"/v1/jobs/{job}/events") as source:
        stream = source.iter_sse()
        assert next(stream).event == "job_queued"
        for _ in range(3):
            append_events(database, job, EventKind.PROGRESS)
            assert next(stream).event == "progress"
        finish(database, job)
        assert [event.event for event in stream] == ["job_finished"]


@pytest.mark.parametrize("news", [0, 1])
def test_a_later_client_with_fewer_events_gets_all_events(api, database, job, news):
    path = f"/v1/jobs/{job}/events"
    last = append_events(database, job, *[EventKind.PROGRESS] * 4)
    with connect_sse(api, "GET", path, headers={"Last-Event-ID": str(last)}) as first:
        stream = first.iter_sse()
        for _ in range(news):
            append_events(database, job, EventKind.PROGRESS)
            next(stream)
        with connect_sse(api, "GET", path) as second:
            later = second.iter_sse()
            found = [next(later) for _ in range(last + news)]
    assert numbers(found) == list(range(1, last + news + 1))


def test_the_stream_of_a_retried_job_continues_to_its_last_end(api, database, job):
    finish(database, job)
    with database.transaction() as session:
        session.execute(update(Job).where(Job.id == job).values(state=JobState.RUNNING))
        events.append(session, job, [New(EventKind.JOB_RETRIED)])
    ended = threading.Timer(0.3, finish, (database, job))
    ended.start()
    found = follow(api, job)
    ended.join()
    assert [event.event for event in found][1:] == ["job_finished", "job_retried", "job_finished"]


def test_a_history_of_many_pages_is_streamed_completely(api, database, job):
    append_events(database, job, *[EventKind.PROGRESS] * 1_234)
    finish(database, job)
    assert numbers(follow(api, job)) == list(range(1, 1_237))


def test_no_event_is_lost_when_the_listening_connection_breaks(api, database, job):
    def terminate_listener() -> int | None:
        with database.transaction() as session:
            return session.scalar(
                text(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where application_name = 'lth listener' and datname = current_database()"
                )
            )

    with connect_sse(api, "GET", f"/v1/jobs/{job}/events") as source:
        stream = source.iter_sse()
        next(stream)
        assert eventually(terminate_listener, 60) == 1  # It connects soon after the start.
        append_events(database, job, EventKind.PROGRESS)
        finish(database, job)
        assert [event.event for event in stream] == ["progress", "job_finished"]


def test_one_owner_cannot_use_all_event_streams(settings):
    bounded = settings.model_copy(update={"event_streams": 1})
    with serving(bounded) as address, client(address, ADMIN) as admin:
        job = admin.post("/v1/jobs", json={"kind": "model"}).json()["id"]
        path = f"/v1/jobs/{job}/events"
        ada = admin.post("/v1/keys", json={"owner": "ada", "role": "member"}).json()["key"]
        with connect_sse(admin, "GET", path) as source:
            stream = source.iter_sse()  # kept, because the connection closes when it is deleted
            next(stream)
            with admin.stream("GET", path) as response:
                assert response.status_code == 429
                response.read()
            problem(response, 429, "too-many-requests")
            assert int(response.headers["retry-after"]) >= 1
            with client(address, ada) as other:
                own = other.post("/v1/jobs", json={"kind": "model"}).json()["id"]
                with connect_sse(other, "GET", f"/v1/jobs/{own}/events") as source:
                    assert next(source.iter_sse()).event == "job_queued"
        admin.post(f"/v1/jobs/{job}/cancel")

        def followed() -> bool:
            return admin.get(path).status_code == 200

        eventually(followed, 60)


def test_the_stream_ends_when_its_key_is_revoked(api, address, database, job):
    key = api.post("/v1/keys", json={"owner": "admin", "role": "reader"}).json()
    with (
        client(address, key["key"]) as reader,
        connect_sse(reader, "GET", f"/v1/jobs/{job}/events") as source,
    ):
        stream = source.iter_sse()
        next(stream)
        api.delete(f"/v1/keys/{key['id']}")
        append_events(database, job, EventKind.PROGRESS)
        assert next(stream, None) is None


def test_the_stream_ends_when_its_key_expires(address, database, job):
    for seconds in (1, 10, 60):  # The longer times are for slow machines.
        token, soon = new_token(), datetime.now(UTC) + timedelta(seconds=seconds)
        with database.transaction() as session:
            keys.create(session, token, owner="admin", role=Role.READER, name="", expires_at=soon)
        with (
            client(address, token) as reader,
            reader.stream("GET", f"/v1/jobs/{job}/events") as response,
        ):
            stream = EventSource(response).iter_sse() if response.is_success else iter(())
            if next(stream, None) is None:
                assert datetime.now(UTC) >= soon
                continue
            time.sleep(max((soon - datetime.now(UTC)).total_seconds(), 0) + 0.01)
            append_events(database, job, EventKind.PROGRESS)
            assert next(stream, None) is None
            return
    pytest.fail("no stream began within a minute")


def test_a_wrong_last_event_id_is_refused(api, job):
    response = api.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": "x"})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


async def test_two_hundred_watchers_get_all_events_while_other_requests_are_answered(
    address, database
):
    limits = httpx.Limits(max_connections=300)
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with httpx.AsyncClient(
        base_url=address, timeout=100, limits=limits, headers=headers
    ) as client:
        job = (await client.post("/v1/jobs", json={"kind": "model"})).json()["id"]
        all_watch = asyncio.Barrier(201)

        async def watch() -> list[int]:
            async with aconnect_sse(client, "GET", f"/v1/jobs/{job}/events") as source:
                stream = source.aiter_sse()
                first = await anext(stream)
                await all_watch.wait()
                return [int(first.id), *[int(event.id) async for event in stream]]

        watching = [asyncio.create_task(watch()) for _ in range(200)]
        await all_watch.wait()
        for _ in range(20):
            append_events(database, job, EventKind.PROGRESS)
        assert (await client.get("/healthz")).status_code == 200
        finish(database, job)
        assert await asyncio.gather(*watching) == [list(range(1, 23))] * 200
