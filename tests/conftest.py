"""Fixtures for all tests: real Postgres, real Valkey, a folder for blobs.

`database_url` and `broker_url` are empty at the start of each test. Whatever processes a module
of tests starts must be gone when it ends; what is left is killed, and the module fails.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import redis

from service.stack.parts.postgres import Postgres
from service.store.migrate import migrate
from tests.parts import Parts, adopt_orphans, left_running, parts

_POSTGRES = "postgres"
_started = pytest.StashKey[ExitStack]()
_own = pytest.StashKey[Parts]()


class _PostgresForWorkers:
    """In the controller of pytest-xdist: starts Postgres when the first worker is set up."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._server: Postgres | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node) -> None:
        if self._server is None:
            own = self._stack.enter_context(parts())
            self._server = self._stack.enter_context(own.postgres())
        node.workerinput[_POSTGRES] = [str(self._server.directory), str(self._server.sockets)]


def pytest_configure(config: pytest.Config) -> None:
    stack = config.stash[_started] = ExitStack()
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(_PostgresForWorkers(stack))


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_started].close()


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the developer's own settings or data reaches a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LTH_")]:
            patch.delenv(name)
        home = tmp_path_factory.mktemp("home")
        for kind in ("DATA", "CONFIG", "CACHE", "STATE"):
            patch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        yield


@pytest.fixture(scope="session")
def own_parts(request: pytest.FixtureRequest) -> Iterator[Parts]:
    """A place to start parts in that live no longer than this pytest process."""
    with parts() as own:
        request.session.stash[_own] = own
        yield own


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """The session's Postgres server."""
    shared = getattr(request.config, "workerinput", {}).get(_POSTGRES)
    if shared is not None:
        yield Postgres(*map(Path, shared))
        return
    with request.getfixturevalue("own_parts").postgres() as server:
        yield server


@pytest.fixture
def empty_database_url(postgres: Postgres) -> Iterator[str]:
    """A new database without a table."""
    name = f"test_{uuid4().hex}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def _migrated(postgres: Postgres) -> Iterator[str]:
    """The name of a migrated database, from which `database_url` is copied."""
    name = f"template_{uuid4().hex}"
    postgres.create_database(name)
    migrate(postgres.url(name))
    yield name
    postgres.drop_database(name)


@pytest.fixture
def database_url(postgres: Postgres, _migrated: str) -> Iterator[str]:
    """A new, migrated database, without a row; dropped after the test."""
    name = f"test_{uuid4().hex}"
    postgres.create_database(name, template=_migrated)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def _valkey(own_parts: Parts) -> Iterator[str]:
    with own_parts.valkey() as server:
        yield server.url


@pytest.fixture
def broker_url(_valkey: str) -> str:
    """This worker's Valkey, emptied; a test may flush it."""
    with redis.Redis.from_url(_valkey) as client:
        client.flushall()
    return _valkey


@pytest.fixture
def object_store_url(tmp_path: Path) -> str:
    """A new folder for blobs, as an address."""
    folder = tmp_path / "blobs"
    folder.mkdir()
    return folder.as_uri()


@pytest.fixture(scope="module", autouse=True)
def _leaves_no_process(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a module that leaves a process behind, and kill it."""
    adopt_orphans()
    yield
    own = request.session.stash.get(_own, None)
    left = left_running(apart_from=own.group.number if own else None)
    said = [
        f"{process.pid} {' '.join(process.as_dict(['cmdline'])['cmdline'])}" for process in left
    ]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    if left:
        pytest.fail("processes were left behind:\n" + "\n".join(said), pytrace=False)
