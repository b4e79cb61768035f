"""Rate limits of owners, counted in Redis, and the standard headers that report them.

With a high limit, a process counts several requests in advance, so that few requests wait for
Redis. With a low limit, the count is exact. Without Redis, requests are not limited.
"""

import time
from dataclasses import dataclass

import structlog
from fastapi.concurrency import run_in_threadpool
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import RedisStorage
from redis.exceptions import RedisError

_ANSWER_SECONDS, _PAUSE_SECONDS = 0.5, 1.0
"""Timeout of Redis in seconds, and the pause after a timeout."""
_PARTS = 1_000
"""The share of the limit that a process counts in advance, at least one request."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """A counted request.

    Attributes:
        count: requests in the current window, including this one.
        reset: seconds until the next window.
    """

    limit: RateLimitItem
    count: int
    reset: int

    @property
    def allowed(self) -> bool:
        return self.count <= self.limit.amount

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every response (draft-ietf-httpapi-ratelimit-headers)."""
        remaining = max(self.limit.amount - self.count, 0)
        return {
            "RateLimit-Policy": f'"owner";q={self.limit.amount};w={self.limit.get_expiry()}',
            "RateLimit": f'"owner";r={remaining};t={self.reset}',
        }


@dataclass(slots=True)
class _Counted:
    """What this process has counted in advance for an owner in one window.

    Attributes:
        window: number of the window.
        total: count of all processes in Redis.
        unused: requests that were counted but have not arrived yet.
    """

    window: int
    total: int = 0
    unused: int = 0


class Rates:
    """Counts requests by owner, in windows of fixed length."""

    def __init__(self, broker_url: str, limit: str | None) -> None:
        self._limit = parse(limit) if limit else None
        self._storage = RedisStorage(
            broker_url,
            socket_connect_timeout=_ANSWER_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
            wrap_exceptions=True,
        )
        self._counted: dict[str, _Counted] = {}
        self._silent_until = 0.0

    async def take(self, owner: str) -> Taken | None:
        """Count a request; None if requests are not limited."""
        if self._limit is None or time.monotonic() < self._silent_until:
            return None
        window = self._limit.get_expiry()
        number, passed = divmod(int(time.time()), window)
        counted = self._counted.get(owner)
        if counted is None or counted.window != number:
            counted = self._counted[owner] = _Counted(number)
        if not counted.unused:
            ahead = max(self._limit.amount // _PARTS, 1)
            # The number of the window is part of the key, so one command suffices.
            key = self._limit.key_for("lth", owner, str(number))
            try:
                total = await run_in_threadpool(self._storage.incr, key, window, ahead)
            except (StorageError, RedisError, OSError) as error:
                self._silent_until = time.monotonic() + _PAUSE_SECONDS
                _log.warning("requests_not_counted", error=str(error))
                return None
            counted.total = max(counted.total, total)
            counted.unused += ahead
        counted.unused -= 1
        return Taken(self._limit, counted.total - counted.unused, window - passed)
