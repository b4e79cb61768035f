"""The state that all endpoints of a process share. Each endpoint gets it as a dependency."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.api.http.connections import Connections
from service.api.http.rates import Rates
from service.hints import Hints
from service.settings import Settings
from service.store.blobs.object_store import Blobs
from service.store.database import Database


@dataclass(frozen=True, slots=True)
class AppState:
    """The shared state. Features add their own dependencies for what only they need."""

    settings: Settings
    database: Database
    blobs: Blobs
    hints: Hints
    rates: Rates
    connections: Connections


def app_state(request: Request) -> AppState:
    """The state of the application that serves a request."""
    return request.app.state.shared


async def _app_state(request: Request) -> AppState:
    # A coroutine, because FastAPI would run a plain function in a thread of its pool.
    return app_state(request)


AppStateDep = Annotated[AppState, Depends(_app_state)]
