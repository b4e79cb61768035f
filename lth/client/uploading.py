"""The bytes of a file in pieces, so that a large one is never in memory as a whole."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

_PIECE = 2**20


def pieces(path: Path) -> Iterator[bytes]:
    """A file, piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


async def async_pieces(path: Path) -> AsyncIterator[bytes]:
    """A file, piece by piece, read beside the event loop."""
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
