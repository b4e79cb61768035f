"""Signs of life for a container's health check: a file whose age tells whether a process works."""

import os
import time
from contextlib import suppress
from pathlib import Path

_FOLDER = Path("/tmp")  # noqa: S108
"""Each container has its own; what TMPDIR names may be shared."""
LONGEST_SILENCE = 60.0
"""Seconds; a process that was silent for longer is unhealthy."""


class Pulse:
    """The sign of life of one kind of process in this container, or on this machine."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self._file = (folder or _FOLDER) / f"lth-{name}-{os.getuid()}.alive"
        self._last = 0.0

    def beat(self, every: float = 5.0) -> None:
        """Give a sign of life, at most once in so many seconds; a full disk is no error."""
        if time.monotonic() - self._last >= every:
            self._last = time.monotonic()
            with suppress(OSError):
                self._file.touch()

    def silence(self) -> float | None:
        """Seconds since the last sign of life; None if there was none."""
        try:
            return max(0.0, time.time() - self._file.stat().st_mtime)
        except FileNotFoundError:
            return None
