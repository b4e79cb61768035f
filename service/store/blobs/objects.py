"""The interface of an object store."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Protocol

PIECE = 1 << 20
"""The most bytes of an object in memory at once."""


class ObjectMissing(Exception):
    """There is no object with this name."""


class Objects(Protocol):
    """Named bytes that survive a failure of the machine.

    Attributes:
        local: whether reading an object is cheaper than writing it again.
    """

    local: bool

    def put(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write an object durably; an object with the same name is replaced."""
        ...

    def secure(self, name: str) -> None:
        """Make an object durable that another process has written."""
        ...

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end), in pieces; raises `ObjectMissing` before the first."""
        ...

    def version(self, name: str) -> tuple[int, str] | None:
        """The size of an object and a mark that changes with it; None if it is missing."""
        ...

    def delete(self, name: str) -> None:
        """Delete an object; a missing object is not an error."""
        ...

    def remove_partial(self, older_than: timedelta) -> int:
        """Delete what a process began to write and never finished; returns the number."""
        ...
