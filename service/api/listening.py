"""Listens to notifications of Postgres on one connection for the whole process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psycopg
import structlog

from service.store.database import API, CONNECTING, session_settings

_RECONNECT_SECONDS = 1.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listener:
    """Calls functions when Postgres sends notifications.

    Attributes:
        url: address of the database.
        heard: functions by channel; called with the payload of each notification.
        connected: called after each connect; earlier notifications may have been lost.
    """

    url: str
    heard: Mapping[str, Callable[[str], None]]
    connected: Callable[[], None]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen within this context."""
        listening = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    async def _listen(self) -> None:
        while True:
            try:
                await self._receive()
            except psycopg.Error as error:
                _log.warning("listening_interrupted", error=str(error))
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _receive(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self.url, autocommit=True, application_name="lth listener", **CONNECTING
        )
        async with connection:
            await connection.execute(session_settings(API))
            for channel in self.heard:
                await connection.execute(f"LISTEN {channel}".encode())
            self.connected()
            async for notification in connection.notifies():
                self.heard[notification.channel](notification.payload)
