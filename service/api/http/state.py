"""The parts that endpoints work with, made once a process and handed to each by dependency."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.api.accounts.key_cache import Keyring
from service.api.artifacts.making import Maker
from service.api.events.feed import Feed
from service.api.http.connections import Connections
from service.api.http.rates import Rates
from service.api.jobs.pools import Pools
from service.hints import Hints
from service.settings import Settings
from service.store.blobs.object_store import Blobs
from service.store.database import Database


@dataclass(frozen=True, slots=True)
class Parts:
    """What the process holds."""

    settings: Settings
    database: Database
    blobs: Blobs
    hints: Hints
    keyring: Keyring
    rates: Rates
    feed: Feed
    connections: Connections
    pools: Pools
    maker: Maker


def parts_of(request: Request) -> Parts:
    """The parts of the application that serves a request."""
    return request.app.state.parts


async def _parts(request: Request) -> Parts:
    # A coroutine, because a plain function would cost a trip to the thread pool.
    return parts_of(request)


PartsDep = Annotated[Parts, Depends(_parts)]
