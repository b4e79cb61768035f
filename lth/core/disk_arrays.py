"""Keeps arrays and files on disk that a training seldom reads.

The files have no name, so they disappear with the process. They are in the directory for temporary
files, which the environment variable TMPDIR sets.
"""

import io
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO, cast

import numpy as np

from lth.core.packing import Stored, pack


class TemporaryFile(io.BufferedRandom):
    """A file without a name that is closed when nothing refers to it any more."""

    def __init__(self) -> None:
        raw = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        super().__init__(cast(io.RawIOBase, raw))

    def __del__(self) -> None:
        with suppress(OSError):  # Closing writes buffered data, and the disk may be full.
            self.close()


def as_file(content: bytes | BinaryIO) -> BinaryIO:
    """The content as a file; bytes are written to disk."""
    if not isinstance(content, bytes):
        return content
    file = TemporaryFile()
    file.write(content)
    return file


def content_of(file: BinaryIO) -> bytes:
    """All bytes of a file."""
    file.seek(0)
    return file.read()


class Spill(Mapping[str, np.ndarray]):
    """Packed arrays by digest.

    Each is written once to a temporary file, and read when it is needed.
    """

    def __init__(self) -> None:
        self._file = TemporaryFile()
        self._places: dict[str, tuple[int, np.dtype, int]] = {}

    def keep(self, arrays: Mapping[str, np.ndarray]) -> Stored:
        """Write arrays to the file.

        Returns:
            The same arrays, which are read from the file at each access.
        """
        packed = pack(arrays)
        for digest, part in packed.parts.items():
            if digest not in self._places:
                offset = self._file.seek(0, io.SEEK_END)
                self._file.write(np.ascontiguousarray(part).view(np.uint8).data)
                self._places[digest] = offset, part.dtype, len(part)
        return Stored(self, packed.index)

    def __getitem__(self, digest: str) -> np.ndarray:
        offset, dtype, length = self._places[digest]
        part = np.empty(length, dtype)
        self._file.seek(offset)
        self._file.readinto(part.view(np.uint8).data)
        return part

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
