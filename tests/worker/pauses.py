"""Pauses a child inside a transaction, through files in a shared folder.

`tests.worker.pausing` is the child's side. ``pause-POINT`` asks the next child that reaches the
point to stop itself there; ``paused-POINT`` holds the pid of the one that did.
"""

import os
import signal
from pathlib import Path

import psutil

from tests.worker.rig import eventually

POINTS = ("claim", "progress", "commit")


def ask(folder: Path, point: str) -> None:
    """Pause the next child that reaches a point."""
    (folder / f"pause-{point}").touch()


def withdraw(folder: Path, point: str) -> bool:
    """Withdraw the request. Returns False if a child has already paused."""
    try:
        (folder / f"pause-{point}").unlink()
    except FileNotFoundError:
        return False
    return True


def note(folder: Path, point: str) -> None:
    """Record that this process pauses at a point."""
    (folder / f"paused-{point}").write_text(str(os.getpid()))


def wait(folder: Path, point: str, seconds: float = 150) -> int:
    """Wait until a child has paused at a requested point; returns its process id."""
    path = folder / f"paused-{point}"
    pid = int(eventually(lambda: path.exists() and path.read_text(), seconds) or 0)
    path.unlink()
    eventually(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return pid


def resume(pid: int) -> None:
    """Resume a paused process."""
    os.kill(pid, signal.SIGCONT)
