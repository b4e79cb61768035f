"""The real parts of the tests: one Postgres for all, one Valkey for each test process.

Both are started by the code that `lth up` uses. Under pytest-xdist the controller starts Postgres
and hands its place to the workers; each worker has its own databases in it.
"""

import ctypes
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

import psutil

from service.stack.parts.postgres import Postgres
from service.stack.parts.valkey import Valkey
from service.stack.process.group import Group

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Parts:
    """What a session has started."""

    group: Group
    directory: Path

    @contextmanager
    def postgres(self) -> Iterator[Postgres]:
        """The session's Postgres; it forgets everything if the machine fails."""
        server = Postgres.at(self.directory / "postgres", durable=False)
        child = server.start(self.group, self.directory / "postgres.log")
        yield server
        server.stop(child)

    @contextmanager
    def valkey(self, **chosen: str) -> Iterator[Valkey]:
        """A Valkey of one's own."""
        place = self.directory / f"valkey-{uuid4().hex[:8]}"
        server = Valkey(place, durable=False, **chosen)
        child = server.start(self.group, place.with_suffix(".log"))
        yield server
        server.stop(child)


@contextmanager
def parts() -> Iterator[Parts]:
    """A folder and a process group; leaving it removes both, and so does any death of pytest."""
    directory = Path(tempfile.mkdtemp(prefix="lth-tests-"))
    with Group() as group:
        yield Parts(group, directory)
    rmtree(directory, ignore_errors=True)


def adopt_orphans() -> None:
    """Make this process the parent of whatever its children leave behind, so that it shows."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def left_running(apart_from: int | None, seconds: float = 30.0) -> list[psutil.Process]:
    """Processes below this one, orphans included, that are still there after `seconds`.

    Those of the process group `apart_from`, and what they have started, do not count.
    """
    end = time.monotonic() + seconds
    while True:
        found = psutil.Process().children(recursive=True)
        left = [one for one in found if alive(one) and not _belongs(one, apart_from)]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def alive(process: psutil.Process) -> bool:
    """Whether it still runs; a zombie does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _belongs(process: psutil.Process, group: int | None) -> bool:
    """Whether a process or one that started it is in a process group."""
    try:
        return any(os.getpgid(one.pid) == group for one in (process, *process.parents()))
    except (psutil.NoSuchProcess, ProcessLookupError):
        return True
