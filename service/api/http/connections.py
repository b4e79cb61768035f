"""The open connections of a process: counts them, bounds them, and closes idle ones.

A connection is *idle* until the head of a request is complete, and again after each response. At
the bound, a new connection replaces the longest idle one of the address with the most idle
connections. Requests under way are never closed for others. Their number is bounded below the
number of connections, so an idle connection always exists.

All methods are called from the event loop. `service.api.http.protocol` calls them.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.http.bounds import Bounds
from service.api.http.problems import Unavailable

CONNECTION = "lth.connection"
"""The key of the connection in the scope of a request."""
HEALTH = frozenset({"/healthz", "/readyz"})
_LOG_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class End(StrEnum):
    """Why the API ended a connection."""

    IDLE = "idle"
    """The head of a request was not complete in time."""
    STALLED = "stalled"
    """The client neither sent nor read the awaited data."""
    EVICTED = "evicted"
    """It was idle, and another connection needed its place."""
    REFUSED = "refused"
    """All places were taken by requests under way."""


class Connection(Protocol):
    """The interface of a connection.

    Attributes:
        address: address of the client; None for a trusted proxy.
        owner: owner of the key of the request under way.
        anonymous: whether it has sent no valid key yet.
    """

    address: str | None
    owner: str | None
    anonymous: bool

    def waits(self) -> bool:
        """Whether the request waits for the client to send or to read."""
        ...

    def progress(self) -> tuple[int, int]:
        """Two counters that change whenever the client sends or reads."""
        ...

    def unsent(self) -> int:
        """Bytes of responses that the client has not read."""
        ...

    def end(self, why: End) -> None:
        """Close it."""
        ...


class Connections:
    """The connections of a process."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds
        self.ended: Counter[End] = Counter()
        self._clock = clock
        self._idle: dict[Connection, float] = {}
        self._idle_of: dict[str | None, dict[Connection, None]] = {}
        self._busy: dict[Connection, tuple[float, tuple[int, int]]] = {}
        self._anonymous: Counter[str] = Counter()
        self._of_owner: Counter[str] = Counter()
        self._told = float("-inf")

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._idle) + len(self._busy)

    @property
    def overloaded(self) -> bool:
        """Whether there are more requests under way than the bound allows."""
        return len(self._busy) > self.bounds.requests

    def opened(self, connection: Connection) -> None:
        """Register a new connection; close it at once if there is no place for it."""
        address = connection.address
        if address is not None and self._anonymous[address] >= self.bounds.of_address:
            room = self._evict(address, anonymous=True)
        elif self.open >= self.bounds.connections:
            room = self._evict(max(self._idle_of, key=self._number_idle, default=None))
        else:
            room = True
        if not room:
            self._end(connection, End.REFUSED)
            return
        if address is not None and connection.anonymous:
            self._anonymous[address] += 1
        self._rest(connection)

    def started(self, connection: Connection) -> None:
        """Register that the head of a request is complete."""
        if connection in self._idle:
            self._wake(connection)
            self._busy[connection] = (self._clock(), connection.progress())

    def answered(self, connection: Connection, *, more: bool) -> None:
        """Register that the response is complete; `more` if the next request has arrived."""
        self._release(connection)
        if not more and self._busy.pop(connection, None) is not None:
            self._rest(connection)

    def closed(self, connection: Connection) -> None:
        """Register that the connection is closed."""
        if connection in self._idle:
            self._wake(connection)
        elif self._busy.pop(connection, None) is None:
            return
        self._release(connection)
        self._known(connection)

    def admit(self, connection: Connection, owner: str) -> bool:
        """Register the owner of the request; return whether the owner may have one more request."""
        self._known(connection)
        self._release(connection)
        if self._of_owner[owner] >= self.bounds.of_owner:
            return False
        connection.owner = owner
        self._of_owner[owner] += 1
        return True

    async def watch(self) -> None:
        """Close connections that are idle or stalled for too long, until the task is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Close connections that are idle or stalled for too long."""
        now = self._clock()
        overdue = []
        for connection, since in self._idle.items():
            if now - since < self.bounds.head_seconds:
                break  # All others are idle for a shorter time.
            if not connection.unsent() or now - since >= self.bounds.stalled_seconds:
                overdue.append(connection)
        for connection in overdue:
            self._end(connection, End.IDLE)
        stalled = []
        for connection, (since, before) in self._busy.items():
            progress = connection.progress()
            if progress != before or not connection.waits():
                self._busy[connection] = (now, progress)
            elif now - since >= self.bounds.stalled_seconds:
                stalled.append(connection)
        for connection in stalled:
            self._end(connection, End.STALLED)

    def _rest(self, connection: Connection) -> None:
        self._idle[connection] = self._clock()
        self._idle_of.setdefault(connection.address, {})[connection] = None

    def _wake(self, connection: Connection) -> None:
        del self._idle[connection]
        of_address = self._idle_of[connection.address]
        del of_address[connection]
        if not of_address:
            del self._idle_of[connection.address]

    def _number_idle(self, address: str | None) -> int:
        return len(self._idle_of[address])

    def _evict(self, address: str | None, *, anonymous: bool = False) -> bool:
        """Close the longest idle connection of an address; return whether there was one."""
        for connection in self._idle_of.get(address, ()):
            if connection.anonymous or not anonymous:
                self._end(connection, End.EVICTED)
                return True
        return False

    def _end(self, connection: Connection, why: End) -> None:
        self.closed(connection)
        self.ended[why] += 1
        connection.end(why)
        now = self._clock()
        if why in (End.EVICTED, End.REFUSED) and now - self._told >= _LOG_SECONDS:
            self._told = now
            _log.warning(
                "connections_at_bound",
                open=self.open,
                bound=self.bounds.connections,
                address=connection.address,
                bound_of_address=self.bounds.of_address,
                requests=len(self._busy),
                **{reason: self.ended[reason] for reason in End},
            )

    def _known(self, connection: Connection) -> None:
        """Stop counting the connection among those without a valid key."""
        if connection.anonymous and connection.address is not None:
            _less(self._anonymous, connection.address)
        connection.anonymous = False

    def _release(self, connection: Connection) -> None:
        if connection.owner is not None:
            _less(self._of_owner, connection.owner)
            connection.owner = None


class Admission:
    """ASGI middleware: refuses requests above the bound, except health checks."""

    def __init__(self, app: ASGIApp, connections: Connections) -> None:
        self.app, self._connections = app, connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        busy = scope["type"] == "http" and self._connections.overloaded
        if not busy or scope["path"] in HEALTH:
            await self.app(scope, receive, send)
            return
        problem = Unavailable(
            f"{self._connections.bounds.requests} requests are under way here, the most at once; "
            "try again",
            headers={"Retry-After": "1"},
        )
        await problem.response(scope.get("lth.request_id"))(scope, receive, send)


def _less(counter: Counter[str], name: str) -> None:
    """Decrement a counter, and delete names with zero."""
    counter[name] -= 1
    if counter[name] <= 0:
        del counter[name]
