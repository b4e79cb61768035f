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
    """Have the next child that reaches a point pause there."""
    (folder / f"pause-{point}").touch()


def withdraw(folder: Path, point: str) -> bool:
    """Take back what was asked. Returns False if a child has already taken it."""
    try:
        (folder / f"pause-{point}").unlink()
    except FileNotFoundError:
        return False
    return True


def note(folder: Path, point: str) -> None:
    """Write down that this process pauses at a point."""
    (folder / f"paused-{point}").write_text(str(os.getpid()))


def wait(folder: Path, point: str, seconds: float = 150) -> int:
    """Wait until a child has stopped at a point that was asked for; returns its process id."""
    path = folder / f"paused-{point}"
    pid = int(eventually(lambda: path.exists() and path.read_text(), seconds) or 0)
    path.unlink()
    eventually(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return pid


def resume(pid: int) -> None:
    """Let a paused process go on."""
    os.kill(pid, signal.SIGCONT)
