"""Objects as files in a folder, written so that they survive a crash of the machine."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from service.store.blobs.objects import PIECE, ObjectMissing

_INCOMING = "incoming"
"""The folder for files that are being written; it is on the same file system."""


class Folder:
    """Objects by name below a folder. Safe to share between threads and processes.

    `put` returns when the bytes and the name of a file are on disk (``fsync``). A reader sees a
    whole file or none. Errors of the file system are raised as `OSError`.
    """

    local = True

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / _INCOMING).mkdir(parents=True, exist_ok=True)

    def put(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write an object; an object with the same name is replaced."""
        path, part = self._root / name, self._root / _INCOMING / f"{uuid4().hex}.part"
        try:
            with part.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            self._make(path.parent)
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        _sync(path.parent)

    def secure(self, name: str) -> None:
        """Sync an object to disk that another process has written."""
        path = self._root / name
        _sync(path)
        _sync(path.parent)

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end) of an object, in pieces.

        Raises:
            ObjectMissing: before the first piece.
        """
        try:
            file = (self._root / name).open("rb")
        except FileNotFoundError:
            raise ObjectMissing(name) from None
        with file:
            file.seek(start)
            left = os.fstat(file.fileno()).st_size - start if end is None else end - start
            while left > 0 and (piece := file.read(min(left, PIECE))):
                yield piece
                left -= len(piece)

    def version(self, name: str) -> tuple[int, str] | None:
        """The size of an object and a mark that changes with its file; None if it is missing."""
        try:
            found = (self._root / name).stat()
        except FileNotFoundError:
            return None
        return found.st_size, f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"

    def delete(self, name: str) -> None:
        """Delete an object; a missing object is not an error."""
        (self._root / name).unlink(missing_ok=True)

    def remove_partial(self, older_than: timedelta) -> int:
        """Delete files that a process began and never finished; returns their number."""
        removed, before = 0, time.time() - older_than.total_seconds()
        for part in (self._root / _INCOMING).iterdir():
            with suppress(FileNotFoundError):
                if part.stat().st_mtime < before:
                    part.unlink()
                    removed += 1
        return removed

    def _make(self, folder: Path) -> None:
        """Create a folder directly below the root, and sync it to disk."""
        try:
            folder.mkdir()
        except FileExistsError:
            return
        _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
