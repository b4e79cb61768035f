"""A whole stack of real processes that can be killed and restarted."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import redis

from lth.client.tokens import new_token
from service.settings import Settings
from service.stack.parts.commands import api_command, beat_command, worker_command
from service.stack.parts.postgres import Postgres
from service.stack.parts.valkey import Valkey, free_port
from service.stack.process.group import Child
from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.migrate import migrate
from tests import ROOT
from tests.parts import Parts, parts
from tests.worker.rig import eventually

DATABASE = "faults"


@dataclass
class Scene:
    """Postgres, Valkey, API, beat and worker; `children` has the running processes by name."""

    parts: Parts
    postgres: Postgres
    valkey: Valkey
    settings: Settings
    port: int
    children: dict[str, Child] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.database = Database(self.settings.database_url)
        self.blobs = Blobs(self.settings.object_store_url)
        key = self.settings.admin_key
        assert key is not None
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {key.get_secret_value()}"},
            timeout=10,
        )

    @property
    def blob_folder(self) -> Path:
        return Path(self.settings.object_store_url.removeprefix("file://"))

    def start(self, name: str) -> None:
        """Start one of the five parts, and wait until it is ready."""
        if name == "postgres":
            self.children[name] = self.postgres.start(self.parts.group, self._log(name))
        elif name == "valkey":
            self.children[name] = self.valkey.start(self.parts.group, self._log(name))
        else:
            self._start_ours(name)

    def restart(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill one of the five parts, and start it again."""
        self.end(name, how)
        self.start(name)

    def end(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill one of the five parts and its child processes."""
        child = self.children.pop(name)
        assert child.returncode() is None, f"{name} ended by itself:\n{child.tail()}"
        family = psutil.Process(child.pid).children(recursive=True)
        child.stop(how, 30)
        for left in psutil.wait_procs(family, timeout=10)[1]:
            left.kill()

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Suspend API, worker, beat and their child processes during the block."""
        held = [
            process
            for name in ("api", "worker", "beat")
            for process in _suspended(psutil.Process(self.children[name].pid))
        ]
        try:
            yield
        finally:
            for process in held:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    @property
    def folder(self) -> Path:
        """The folder of requests to pause (`tests.worker.pauses`)."""
        return self.parts.directory

    def start_worker(self, name: str, **environment: str) -> None:
        """Start another worker with one child and additional environment variables."""
        changed = {**self._environment(), "LTH_WORKER_PROCESSES": "1", **environment}
        command = [worker_command()[0], "-W", "ignore", *worker_command()[1:]]
        spawn = self.parts.group.spawn
        self.children[name] = spawn(name, command, self._log(name), env=changed)

    def pool_children(self) -> list[psutil.Process]:
        """The children of the worker that execute runs, without Python's resource tracker."""
        parent = psutil.Process(self.children["worker"].pid)
        found = []
        for child in parent.children():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if any("spawn_main" in word for word in child.cmdline()):
                    found.append(child)
        return found

    def broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.valkey.url)

    def submit(self, document: dict[str, Any]) -> str:
        """Submit over HTTP; retry with the same idempotency key until it is accepted."""
        key = uuid4().hex

        def taken() -> str | None:
            try:
                answer = self.client.post(
                    "/v1/jobs", json=document, headers={"Idempotency-Key": key}
                )
            except httpx.TransportError:
                return None
            if answer.status_code >= 500:
                return None
            assert answer.status_code in (200, 202), answer.text
            return answer.json()["id"]

        job_id = eventually(taken, 120, every=0.2)
        assert job_id is not None
        return job_id

    def close(self) -> None:
        self.client.close()
        self.database.close()
        for name in ("far", "worker", "beat", "api", "valkey", "postgres"):
            if name in self.children and self.children[name].returncode() is None:
                self.end(name, signal.SIGINT if name == "postgres" else signal.SIGKILL)

    def _start_ours(self, name: str) -> None:
        command = {
            "api": api_command("127.0.0.1", self.port),
            "beat": beat_command(),
            "worker": worker_command(),
        }[name]
        command = [command[0], "-W", "ignore", *command[1:]]
        child = self.parts.group.spawn(name, command, self._log(name), env=self._environment())
        self.children[name] = child
        if name == "api":
            child.wait_until(self._ready, 120, every=0.1)

    def _ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def _environment(self) -> dict[str, str]:
        values = self.settings.model_dump(exclude_unset=True)
        values["admin_key"] = values["admin_key"].get_secret_value()
        ours = {f"LTH_{name.upper()}": str(value) for name, value in values.items()}
        own = {"LTH_TEST_EXECUTION": "lth.study.execution", "LTH_TEST_FOLDER": str(self.folder)}
        return {**os.environ, **ours, **own, "PYTHONPATH": str(ROOT)}

    def _log(self, name: str) -> Path:
        return self.parts.directory / f"{name}.log"


def _suspended(process: psutil.Process) -> Iterator[psutil.Process]:
    """Suspend a process first, then its children, so that it cannot start new ones."""
    with suppress(psutil.NoSuchProcess):
        process.suspend()
        eventually(lambda: process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE))
        yield process
        for child in process.children():
            yield from _suspended(child)


@contextmanager
def scene(disk: str | None = None) -> Iterator[Scene]:
    """A running stack with short leases and frequent sweeps; it stops at the end of the block.

    With `disk`, the blobs lie on a file system of that size, where one may be mounted.
    """
    with parts() as own, _mounted(own.directory / "disk", disk) as folder:
        postgres = Postgres.at(own.directory / "postgres")
        valkey = Valkey(own.directory / "valkey")
        settings = Settings(
            database_url=postgres.url(DATABASE),
            broker_url=valkey.url,
            object_store_url=folder.as_uri(),
            admin_key=new_token(),
            worker_processes=2,
            lease_seconds=6,
            heartbeat_seconds=1,
            sweep_seconds=1,
            checkpoint_seconds=1,
            max_losses=50,
            poll_seconds=2,
            execution="tests.worker.pausing",
        )
        there = Scene(own, postgres, valkey, settings, free_port())
        try:
            there.start("postgres")
            postgres.create_database(DATABASE)
            migrate(settings.database_url)
            for name in ("valkey", "api", "beat", "worker"):
                there.start(name)
            yield there
        finally:
            there.close()


@contextmanager
def _mounted(place: Path, size: str | None) -> Iterator[Path]:
    """A folder, on a small file system if requested and allowed."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    mount = size and shutil.which("mount")
    done = mount and subprocess.run(command, capture_output=True, check=False).returncode == 0
    folder = place / "blobs"
    folder.mkdir()
    try:
        yield folder
    finally:
        if done:
            subprocess.run(["umount", "--lazy", str(place)], check=False)
