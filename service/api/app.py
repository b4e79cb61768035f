"""Assembles the API; ``python -m service.api`` serves it."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from service import descriptors, logs
from service.api import catalogue, openapi, results
from service.api.accounts import audit, keys, owners, teams
from service.api.accounts.access import authenticate
from service.api.accounts.key_cache import KeyCache
from service.api.artifacts import router as artifacts
from service.api.artifacts.making import Maker
from service.api.datasets import router as datasets
from service.api.datasets.converting import Converter
from service.api.events import router as events
from service.api.events.feed import Feed
from service.api.http import handlers
from service.api.http.bounds import Bounds
from service.api.http.connections import Admission, Connections
from service.api.http.heads import Heads
from service.api.http.problems import (
    InternalError,
    NotFound,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    answers,
)
from service.api.http.rates import Rates
from service.api.http.state import AppState
from service.api.http.tracing import Tracing
from service.api.jobs import commands, looking, submitting
from service.api.jobs import logs as job_logs
from service.api.jobs.pools import Pools
from service.api.jobs.run_memory import RunMemory
from service.api.listening import Listener
from service.api.operations import health, queue, webhooks, workers
from service.api.operations import metrics as metrics
from service.drawing.artist import Artist
from service.hints import Hints
from service.settings import Settings
from service.store.accounts.keys import CHANNEL as REVOKED
from service.store.accounts.keys import ensure_operators
from service.store.blobs import identity
from service.store.blobs.object_store import Blobs, StorageFailed
from service.store.database import UNAVAILABLE, Database
from service.store.jobs.events import CHANNEL as EVENTS

_log = structlog.get_logger(__name__)

_FEATURES = (
    submitting,
    looking,
    commands,
    job_logs,
    results,
    events,
    artifacts,
    catalogue,
    datasets,
    workers,
    queue,
    webhooks,
    keys,
    owners,
    teams,
    audit,
)
_AT_THE_ROOT = (openapi, metrics, health)


def create() -> FastAPI:
    """The application, configured by the environment."""
    settings = Settings()
    logs.configure(json=settings.environment == "production")
    app = create_app(settings)
    # These objects stay. Searching them for garbage would stop all requests for 50 ms.
    gc.freeze()
    return app


def create_app(settings: Settings) -> FastAPI:
    """The application. It opens its connections at start, and closes them at the end."""
    app = FastAPI(
        title="Lottery tickets",
        version=version("lth"),
        lifespan=_lifespan,
        redirect_slashes=False,
        openapi_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.settings = settings
    app.state.connections = Connections(Bounds.of(settings, descriptors.limit()))
    v1 = APIRouter(
        prefix="/v1",
        dependencies=[Depends(authenticate), Depends(_names_something)],
        responses=answers(Unauthenticated, TooManyRequests, InternalError, Unavailable),
    )
    for feature in _FEATURES:
        v1.include_router(feature.router)
    app.include_router(v1)
    for feature in _AT_THE_ROOT:
        app.include_router(feature.router)
    app.add_middleware(Admission, connections=app.state.connections)
    app.add_middleware(Heads)
    app.add_middleware(Tracing)
    handlers.install(app)
    openapi.install(app)
    return app


def _operation_id(route: APIRoute) -> str:
    """The operation id of a route: the name of its function, which client generators use."""
    return route.name


async def _names_something(request: Request) -> None:
    """Answer 404 to paths with a null character, which Postgres cannot store."""
    if "\0" in request.scope["path"]:
        raise HTTPException(NotFound.status)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    database = Database(settings.database_url, settings.database_pool)
    blobs = Blobs(settings.object_store_url, settings.object_store_options)
    hints = Hints(settings.broker_url)
    feed, key_cache = Feed(database), KeyCache(database)
    artist = Artist(settings.drawing_seconds, settings.drawing_places)
    app.state.shared = AppState(
        settings=settings,
        database=database,
        blobs=blobs,
        hints=hints,
        rates=Rates(settings.broker_url, settings.rate_limit),
        connections=app.state.connections,
    )
    app.state.feed, app.state.key_cache = feed, key_cache
    app.state.pools = Pools(settings, database)
    app.state.run_memory = RunMemory(settings, database)
    app.state.maker = Maker(database, blobs, artist)
    app.state.converter = Converter()
    await run_in_threadpool(_compare_stores, database, blobs)
    watching = asyncio.create_task(app.state.connections.watch())
    try:
        if settings.admin_key is not None:
            with database.transaction() as session:
                ensure_operators(session, settings.admin_key.get_secret_value())
        async with _listener(settings, feed, key_cache).running():
            yield
    finally:
        watching.cancel()
        artist.close()
        hints.close()
        database.close()


def _compare_stores(database: Database, blobs: Blobs) -> None:
    """Check that the process uses the object store of the service.

    Raises:
        WrongStore: if it uses another one.
    """
    try:
        identity.establish(database, blobs)
    except (StorageFailed, *UNAVAILABLE) as error:
        _log.warning("object_store_not_compared", error=str(error))


def _listener(settings: Settings, feed: Feed, key_cache: KeyCache) -> Listener:
    def connected() -> None:
        feed.look_again()
        key_cache.forget()

    heard = {EVENTS: feed.heard, REVOKED: lambda _: key_cache.forget()}
    return Listener(settings.database_url, heard, connected)
