"""Starts the parts of a local stack, each after the parts that it needs."""

import json
import os
import secrets
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from threading import Timer
from typing import Protocol
from urllib.request import ProxyHandler, build_opener

from lth.client.local_stack import Running
from lth.client.proofs import new_challenge, proves
from service.process_environment import forget_libpq_settings, known_environment
from service.stack.data_directory import DataDirectory
from service.stack.environment import read_settings, using_database
from service.stack.errors import StartFailed
from service.stack.parts.commands import api_command, beat_command, worker_command
from service.stack.parts.postgres import Postgres
from service.stack.parts.valkey import Valkey, free_port
from service.stack.process.group import Child, Group
from service.stack.process.supervisor import Part, Supervisor
from service.store.database import Database
from service.store.migrate import migrate
from service.store.workers import workers

DATABASE = "lth"
_HOST = "127.0.0.1"
_READY_SECONDS = 180.0
_LOOK_SECONDS = 0.2
_STOP_SECONDS = 10.0
_SILENT_SECONDS = 2.0
"""If a part takes longer to start, a message says which part it is."""

_direct = build_opener(ProxyHandler({}))
"""Opens addresses of this machine; proxies of the environment are not used."""


@dataclass(frozen=True)
class Options:
    """The options of `lth up`.

    Attributes:
        data: the data directory.
        port: port of the API on the loopback interface; 0 for any free port.
        workers: number of runs at once; None for one for each GPU, or for each core.
    """

    data: DataDirectory
    port: int = 8000
    workers: int | None = None


class Narrator(Protocol):
    """Reports the progress of the start to a user."""

    def started(self, name: str, what: str, seconds: float) -> None:
        """Report that a part has started."""

    def ready(self, running: Running) -> None:
        """Report that the stack is ready."""

    def say(self, text: str) -> None:
        """Report a message."""


def start_stack(
    options: Options, group: Group, supervisor: Supervisor, narrator: Narrator
) -> Running:
    """Start all parts, and wait until they are ready.

    Parts that the environment names (``LTH_DATABASE_URL``, ``LTH_BROKER_URL``,
    ``LTH_OBJECT_STORE_URL``) are used; the others are started.

    Raises:
        StackError: if a setting is wrong, or a part does not start.
    """
    read_settings()
    port = _free(options.port)
    environment = known_environment(os.environ)
    if "LTH_DATABASE_URL" not in environment:
        forget_libpq_settings()
        environment = known_environment(os.environ)
    starting = _Starting(options.data, group, supervisor, narrator, environment)
    starting.postgres()
    starting.valkey()
    starting.complete(options.workers)
    starting.migrated()
    return starting.service(port)


@dataclass
class _Starting:
    """A stack that is starting; `env` is the environment of its processes."""

    data: DataDirectory
    group: Group
    supervisor: Supervisor
    narrator: Narrator
    env: dict[str, str]

    def postgres(self) -> None:
        if "LTH_DATABASE_URL" in self.env:
            return
        server = Postgres.at(self.data.postgres)
        log = self.data.log("postgres")
        part = Part("postgres", lambda: server.start(self.group, log), server.stop)
        self._start(part, f"PostgreSQL, in {server.directory}")
        server.create_database(DATABASE)
        self.env["LTH_DATABASE_URL"] = server.url(DATABASE)

    def valkey(self) -> None:
        if "LTH_BROKER_URL" in self.env:
            return
        server = Valkey(self.data.valkey)
        log = self.data.log("valkey")
        part = Part("valkey", lambda: server.start(self.group, log), server.stop)
        self._start(part, f"messages to workers, on port {server.port}")
        self.env["LTH_BROKER_URL"] = server.url

    def complete(self, workers: int | None) -> None:
        self.env.setdefault("LTH_OBJECT_STORE_URL", self.data.blobs.absolute().as_uri())
        self.env.setdefault("LTH_DATASETS_DIR", str(self.data.datasets.absolute()))
        self.env.setdefault("LTH_ADMIN_KEY", self.data.make_admin_key())
        self.env.setdefault("LTH_SIGNING_SECRET", self.data.make_signing_secret())
        if workers is not None:
            self.env["LTH_WORKER_PROCESSES"] = str(workers)

    def migrated(self) -> None:
        began = time.monotonic()
        with self._waiting("tables"), using_database(self.env["LTH_DATABASE_URL"]):
            migrate(self.env["LTH_DATABASE_URL"])
        self.narrator.started("tables", "up to date", time.monotonic() - began)

    def service(self, port: int) -> Running:
        server = f"http://{_HOST}:{port}"
        settings = read_settings(
            database_url=self.env["LTH_DATABASE_URL"],
            broker_url=self.env["LTH_BROKER_URL"],
            object_store_url=self.env["LTH_OBJECT_STORE_URL"],
        )
        # The worker takes longest to start, so it starts first and is awaited last.
        began = time.monotonic()
        worker = self.supervisor.start(
            self._process("worker", worker_command(), settings.drain_seconds + _STOP_SECONDS)
        )
        self._start(self._process("beat", beat_command()), "recovers lost runs and hints")
        secret = secrets.token_urlsafe(24)
        self._start(
            self._process("api", api_command(_HOST, port), LTH_STACK_SECRET=secret),
            server,
            lambda api: _wait(api, lambda: _answers(server, secret)),
        )
        with (
            self._waiting("worker"),
            closing(Database(settings.database_url, pool_size=1)) as database,
        ):
            _wait(worker, lambda: bool(_devices(database, worker.pid)))
            devices = Counter(_devices(database, worker.pid))
        what = ", ".join(f"{count} x {device}" for device, count in devices.items())
        self.narrator.started("worker", what, time.monotonic() - began)
        return Running(
            os.getpid(),
            server,
            settings.database_url,
            settings.broker_url,
            settings.object_store_url,
            secret,
        )

    def _start(self, part: Part, what: str, wait: Callable[[Child], None] | None = None) -> None:
        began = time.monotonic()
        with self._waiting(part.name):
            child = self.supervisor.start(part)
            if wait is not None:
                wait(child)
        self.narrator.started(part.name, what, time.monotonic() - began)

    @contextmanager
    def _waiting(self, name: str) -> Iterator[None]:
        """Say for which part the start waits, if that takes long."""

        def say() -> None:
            log = self.data.log(name)
            where = f"; its log is {log}" if log.exists() else ""
            self.narrator.say(f"  waiting for {name}{where}")

        timer = Timer(_SILENT_SECONDS, say)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _process(
        self, name: str, command: list[str], stop_seconds: float = _STOP_SECONDS, **own: str
    ) -> Part:
        def stop(child: Child) -> None:
            child.stop(signal.SIGTERM, stop_seconds)

        log = self.data.log(name)
        return Part(
            name, lambda: self.group.spawn(name, command, log, env={**self.env, **own}), stop
        )


def _wait(child: Child, ready: Callable[[], bool]) -> None:
    child.wait_until(ready, _READY_SECONDS, every=_LOOK_SECONDS)


def _free(port: int) -> int:
    if port == 0:
        return free_port()
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise StartFailed(
                f"port {port} cannot be used ({error.strerror}); choose another with --port, "
                "or any free port with --port 0"
            ) from None
    return port


def _answers(server: str, secret: str) -> bool:
    """Whether the API is ready, and no other program has its port."""
    challenge = new_challenge()
    try:
        with _direct.open(f"{server}/readyz", timeout=5) as answer:
            ready = answer.status == HTTPStatus.OK
        with _direct.open(f"{server}/healthz?challenge={challenge}", timeout=5) as answer:
            return ready and proves(secret, challenge, json.load(answer))
    except (OSError, ValueError):
        return False


def _devices(database: Database, parent: int) -> list[str]:
    """The devices of the workers that a parent process has started."""
    with database.transaction() as session:
        found = workers.all_of_them(session)
    return [worker.device for worker in found if f"/{parent}-" in worker.node]
