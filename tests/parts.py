"""The real parts that tests run on: one Postgres for all of them, one Valkey for each worker.

Both are started by the code that `lth up` uses. Under pytest-xdist the controller starts Postgres
and hands its place to the workers; each worker has its own databases in it.
"""

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

import psutil

from service.stack.group import Group
from service.stack.postgres import Postgres, start_postgres
from service.stack.valkey import Valkey, start_valkey

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Parts:
    """What a session has started."""

    group: Group
    directory: Path

    def postgres(self) -> Postgres:
        """Start the session's Postgres; it forgets everything if the machine fails."""
        return start_postgres(
            self.group, self.directory / "postgres", self.directory / "postgres.log", durable=False
        )

    def valkey(self) -> Valkey:
        """Start a Valkey of one's own."""
        place = self.directory / f"valkey-{uuid4().hex[:8]}"
        return start_valkey(self.group, place, place.with_suffix(".log"), durable=False)


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


def running_descendants(apart_from: set[int]) -> list[psutil.Process]:
    """Processes below this one, orphans included, without those of the named process groups."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if alive(process) and _group(process) not in apart_from]


def alive(process: psutil.Process) -> bool:
    """Whether it still runs; a zombie does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _group(process: psutil.Process) -> int:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return -1
