"""What an object store must do, whichever it is."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Protocol

PIECE = 1 << 20
"""Bytes of an object that are in memory at once."""


class ObjectMissing(Exception):
    """There is no object of that name."""


class Objects(Protocol):
    """Named bytes that stay when the machine fails.

    Attributes:
        local: whether reading an object costs less than writing it again.
    """

    local: bool

    def put(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write an object, durably; one of that name is replaced."""
        ...

    def secure(self, name: str) -> None:
        """Make sure that an object is durable that another process wrote."""
        ...

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end), in pieces; raises `ObjectMissing` before the first."""
        ...

    def version(self, name: str) -> tuple[int, str] | None:
        """Size, and a mark that changes when the object does; None if it is missing."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; one that is missing is no error."""
        ...

    def remove_partial(self, older_than: timedelta) -> int:
        """Remove what a process began to write and never finished; returns how many."""
        ...
