"""The API over real HTTP, with the Postgres of the session."""

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

from service import logs
from service.api.app import create_app
from service.api.http.server import server_config
from service.settings import Settings
from service.store.database import Database

ADMIN = "lth_adminadmin_" + "s" * 32


@pytest.fixture(autouse=True, scope="session")
def _logging() -> None:
    logs.configure(json=True)


@pytest.fixture
def settings(database_url: str, broker_url: str, object_store_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        broker_url=broker_url,
        object_store_url=object_store_url,
        admin_key=SecretStr(ADMIN),
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The same database, for changes that bypass the API."""
    database = Database(settings.database_url, 2)
    yield database
    database.close()


@pytest.fixture
def address(settings: Settings) -> Iterator[str]:
    """The address of a running API."""
    with serving(settings) as address:
        yield address


@pytest.fixture
def api(address: str) -> Iterator[httpx.Client]:
    """A client with the administrator's key."""
    with client(address, ADMIN) as api:
        yield api


def client(address: str, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=address, timeout=100, headers=headers)


class serving:  # noqa: N801
    """Serves the API from a thread of this process, on a free port."""

    def __init__(self, settings: Settings) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        config = server_config(create_app(settings), graceful_seconds=2)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the API did not start"
            time.sleep(0.005)
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(60)
        self._socket.close()
        assert not self._thread.is_alive(), "the API did not stop"
