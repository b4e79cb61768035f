"""Caches valid keys for a moment, so that not every request asks the database."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from service.store.accounts import keys, teams
from service.store.database import Database
from service.store.tables import Role

REMEMBERED_SECONDS = 2.0
"""The longest time that a revoked key stays valid in a process without a connection to Postgres, in
seconds."""
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Holder:
    """The owner and the role of a valid key, and the owner's teams, its home first."""

    owner: str
    role: Role
    teams: tuple[str, ...]
    key_id: str
    expires_at: datetime | None


class KeyCache:
    """Looks up keys. Safe to use from threads; a race costs one more lookup."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[float, Holder]] = {}
        self._forgotten = 0

    async def holder(self, token: str) -> Holder | None:
        """The holder of a key; None if the key is not valid."""
        digest = hashlib.sha256(token.encode()).digest()
        until, holder = self._known.get(digest, (0.0, None))
        if holder is not None and time.monotonic() < until:
            return holder
        return await run_in_threadpool(self._look_up, token, digest)

    def lasting(
        self, token: str, allows: Callable[[Holder], Awaitable[bool]]
    ) -> Callable[[], Awaitable[bool]]:
        """A function that returns whether a key is still valid and still allows something.

        It looks the key up again only after a key was revoked or a team or what it sees changed,
        or when this key expires.
        """
        seen, expires_at = -1, None

        async def lasts() -> bool:
            nonlocal seen, expires_at
            if seen != self._forgotten or _remembered(expires_at) <= 0:
                seen = self._forgotten
                holder = await self.holder(token)
                if holder is None or not await allows(holder):
                    return False
                expires_at = holder.expires_at
            return True

        return lasts

    def _look_up(self, token: str, digest: bytes) -> Holder | None:
        forgotten = self._forgotten
        with self._database.transaction() as session:
            key = keys.find(session, token)
            if key is None:
                return None
            of_owner = teams.of_owner(session, key.owner)
        holder = Holder(key.owner, key.role, of_owner, key.id, key.expires_at)
        if len(self._known) >= _MOST:
            self._known.clear()
        if forgotten == self._forgotten:  # A lookup from before a revocation is outdated.
            self._known[digest] = (time.monotonic() + _remembered(key.expires_at), holder)
        return holder

    def forget(self) -> None:
        """Clear the cache, because a key was revoked or a team changed."""
        self._forgotten += 1
        self._known.clear()


def _remembered(expires_at: datetime | None) -> float:
    """How long a key may be cached, in seconds."""
    if expires_at is None:
        return REMEMBERED_SECONDS
    return min(REMEMBERED_SECONDS, (expires_at - datetime.now(UTC)).total_seconds())


async def _key_cache(request: Request) -> KeyCache:
    return request.app.state.key_cache


KeyCacheDep = Annotated[KeyCache, Depends(_key_cache)]
