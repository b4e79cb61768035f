"""Signs of life for a container's health check: the age of a file says whether a process works."""

import time
from contextlib import suppress
from pathlib import Path

LONGEST_SILENCE = 60.0
"""Seconds; a process that was silent for longer is unhealthy."""


class Pulse:
    """The sign of life of one kind of process in this container.

    Args:
        name: of the kind of process.
        folder: where the file is, from the setting ``LTH_HEALTH_DIR``; None writes no file.
    """

    def __init__(self, name: str, folder: Path | None) -> None:
        self._file = folder / f"lth-{name}.alive" if folder else None
        self._last = 0.0

    def beat(self, every: float = 5.0) -> None:
        """Give a sign of life, at most once in `every` seconds; a full disk is no error."""
        if self._file is not None and time.monotonic() - self._last >= every:
            self._last = time.monotonic()
            with suppress(OSError):
                self._file.touch()

    def silence(self) -> float | None:
        """Seconds since the last sign of life; None if there was none."""
        try:
            return max(0.0, time.time() - self._file.stat().st_mtime) if self._file else None
        except FileNotFoundError:
            return None
