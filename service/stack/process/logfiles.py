"""Rotates the logs of a stack's processes."""

import shutil
from pathlib import Path

MOST_BYTES = 10 * 2**20
"""A larger log is rotated."""
KEPT = 4
"""The number of rotated logs that are kept for each process."""


def rotate(log: Path, *, most_bytes: int = MOST_BYTES) -> bool:
    """Rotate a log to ``NAME.log.1`` if it is large; returns whether it was.

    The content is copied and the file is emptied, because the process that writes it keeps it open
    and appends to its end. Lines that it writes between the two steps are lost.
    """
    if not log.exists() or log.stat().st_size <= most_bytes:
        return False
    for number in range(KEPT - 1, 0, -1):
        older = _rotated(log, number)
        if older.exists():
            older.replace(_rotated(log, number + 1))
    first = _rotated(log, 1)
    first.touch(mode=0o600)
    shutil.copyfile(log, first)
    with log.open("r+b") as file:
        file.truncate()
    return True


def _rotated(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
