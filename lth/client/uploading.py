"""Reads a file in pieces, so that it is never in memory as a whole."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from lth.datasets import ArrayDataset

_PIECE = 2**20


def pieces(file: Path | IO[bytes]) -> Iterator[bytes]:
    """The bytes of a file, one piece at a time; of an open file, from its start."""
    with _opened(file) as opened:
        while piece := opened.read(_PIECE):
            yield piece


async def async_pieces(file: Path | IO[bytes]) -> AsyncIterator[bytes]:
    """The bytes of a file, one piece at a time, read in a thread."""
    with _opened(file) as opened:
        while piece := await asyncio.to_thread(opened.read, _PIECE):
            yield piece


@contextmanager
def npz_of(arrays: ArrayDataset) -> Iterator[tuple[IO[bytes], str]]:
    """A temporary npz file of arrays, and its SHA-256."""
    with TemporaryFile() as file:
        arrays.write(file)
        digest = hashlib.sha256()
        for piece in pieces(file):
            digest.update(piece)
        yield file, digest.hexdigest()


@contextmanager
def _opened(file: Path | IO[bytes]) -> Iterator[IO[bytes]]:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            yield opened
    else:
        file.seek(0)
        yield file
