"""Sends the events of jobs to any number of watchers.

The process listens to Postgres (`service.api.listening`). Each watched job has one topic. The topic
reads new events once for all watchers, and keeps the last of them. A watcher reads older events
from Postgres, so it misses no event, even if notifications are lost.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Annotated

import anyio.to_thread
import structlog
from fastapi import Depends, Request
from fastapi.sse import ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError

from service.api.events.shapes import EventView
from service.api.http.bounds import Bounds
from service.api.http.problems import TooManyRequests, Unavailable
from service.store.database import Database
from service.store.jobs import events
from service.store.jobs.events import EventKind
from service.store.states import FINISHED_JOB
from service.store.tables import Event, Job

PAGE = 500
_REMEMBERED = 2 * PAGE
_POLL_SECONDS = 10.0
_RETRY_LATER = {"Retry-After": "5"}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Numbered:
    """An encoded event; it is encoded once for all watchers."""

    number: int
    last: bool
    """Whether it is the last event, unless the job is retried."""
    message: ServerSentEvent


class Topic:
    """The recent events of one watched job in this process."""

    def __init__(self, job: Job, after: int, database: Database) -> None:
        self.read = min(after, job.events)
        self.over = job.state in FINISHED_JOB and self.read == job.events
        self.watchers = 0
        self.changed = asyncio.Event()
        self._wake = asyncio.Event()
        self._tail: deque[Numbered] = deque(maxlen=_REMEMBERED)
        self._first = self.read
        self._follower = asyncio.create_task(self._follow(job.id, database))

    def close(self) -> None:
        """Stop reading."""
        self._follower.cancel()

    def wake(self, number: int | None = None) -> None:
        """Report that there may be new events, up to a number if it is known."""
        if number is None or number > self.read:
            self._wake.set()

    def since(self, number: int) -> list[Numbered] | None:
        """The events after a number; None if some are no longer in memory."""
        if self._tail and self._tail[0].number > number + 1:
            return None
        if not self._tail and number < self._first:
            return None
        newer = list(takewhile(lambda event: event.number > number, reversed(self._tail)))
        return newer[::-1]

    async def _follow(self, job_id: str, database: Database) -> None:
        """Read new events after a notification, and from time to time in case one was lost."""
        while True:
            self._wake.clear()
            try:
                found = await read(database, job_id, self.read)
            except SQLAlchemyError as error:
                # The database is unavailable; watchers keep their connections and wait.
                _log.warning("events_unavailable", job_id=job_id, error=str(error))
                found = ()
            if found:
                self._tail.extend(found)
                self.read = found[-1].number
            more = len(found) == PAGE
            if self._tail and not more:
                self.over = self._tail[-1].last
            if found or self.over:
                changed, self.changed = self.changed, asyncio.Event()
                changed.set()
            if not more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _POLL_SECONDS)


class Feed:
    """The topics of a process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._topics: dict[str, Topic] = {}
        self._places: Counter[str] = Counter()

    @contextmanager
    def place(self, owner: str, bounds: Bounds) -> Iterator[None]:
        """A place among the event streams of this process.

        Raises:
            TooManyRequests: if the owner has as many streams as one owner may have.
            Unavailable: if all owners together have as many streams as the process serves.
        """
        if self._places[owner] >= bounds.streams_of_owner:
            raise TooManyRequests(
                f"'{owner}' follows {bounds.streams_of_owner} streams of events here, the most at "
                "once; end some",
                headers=_RETRY_LATER,
            )
        if self.streams >= bounds.streams:
            raise Unavailable(
                f"{bounds.streams} streams of events are sent here, the most at once; try again",
                headers=_RETRY_LATER,
            )
        self._places[owner] += 1
        try:
            yield
        finally:
            self._places[owner] -= 1
            if not self._places[owner]:
                del self._places[owner]

    @property
    def streams(self) -> int:
        """Number of open streams."""
        return self._places.total()

    def heard(self, payload: str) -> None:
        """Handle a notification: the id of a job, and the number of its last event."""
        job_id, _, number = payload.partition(":")
        topic = self._topics.get(job_id)
        if topic is not None:
            topic.wake(int(number))

    def look_again(self) -> None:
        """Check all topics for new events."""
        for topic in self._topics.values():
            topic.wake()

    async def watch(self, job: Job, after: int) -> AsyncIterator[ServerSentEvent]:
        """All events of a job after a number, up to the event that finishes the job."""
        position = min(after, job.events)
        async with self._topic(job, position) as topic:
            while True:
                changed = topic.changed
                found = topic.since(position)
                if found is None:
                    found = await read(self._database, job.id, position)
                for event in found:
                    yield event.message
                    position = event.number
                if topic.over and position >= topic.read:
                    return
                if not found:
                    await changed.wait()

    @asynccontextmanager
    async def _topic(self, job: Job, position: int) -> AsyncIterator[Topic]:
        topic = self._topics.get(job.id)
        if topic is None:
            topic = self._topics[job.id] = Topic(job, position, self._database)
        topic.watchers += 1
        try:
            yield topic
        finally:
            topic.watchers -= 1
            if topic.watchers == 0:
                del self._topics[job.id]
                topic.close()


async def read(database: Database, job_id: str, after: int) -> Sequence[Numbered]:
    """A page of events after a number, from Postgres."""

    def page() -> list[Numbered]:
        with database.transaction() as session:
            return [_numbered(event) for event in events.since(session, job_id, after, PAGE)]

    return await anyio.to_thread.run_sync(page)


def _numbered(event: Event) -> Numbered:
    view = EventView.model_validate(event)
    message = ServerSentEvent(raw_data=view.model_dump_json(), event=view.kind, id=str(view.number))
    return Numbered(event.number, event.kind == EventKind.JOB_FINISHED, message)


async def _feed(request: Request) -> Feed:
    return request.app.state.feed


FeedDep = Annotated[Feed, Depends(_feed)]
