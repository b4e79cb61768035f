"""Finds out whether the kernel killed a child because memory ran out."""

import time
from collections.abc import Callable

from worker.child import kernel_memory

_REMEMBERED_SECONDS = 10.0
"""The parent notices the death of a child later than the kernel counts it, but within seconds."""


class MemoryKills:
    """Recent kills by the kernel that no death of a child explains yet.

    Args:
        count: returns the number of kills so far.
    """

    def __init__(self, count: Callable[[], int] = kernel_memory.kills) -> None:
        self._count = count
        self._counted = count()
        self._recent: list[float] = []

    def look(self) -> None:
        """Count again; to be called often."""
        now, counted = time.monotonic(), self._count()
        self._recent = [at for at in self._recent if now - at < _REMEMBERED_SECONDS]
        self._recent += [now] * (counted - self._counted)
        self._counted = counted

    def take(self) -> bool:
        """Whether there was a recent kill; it then explains one death."""
        self.look()
        return bool(self._recent and self._recent.pop())
