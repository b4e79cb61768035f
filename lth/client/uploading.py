"""Reads a file in pieces, so that it is never in memory as a whole."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

_PIECE = 2**20


def pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file, one piece at a time."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


async def async_pieces(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a file, one piece at a time, read in a thread."""
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
