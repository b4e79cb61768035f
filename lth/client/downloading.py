"""Downloads files: to a partial file, resumed after lost connections, verified at the end."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx

from lth.client.errors import DamagedDownload
from lth.client.models import Artifact

Progress = Callable[[int], None]
"""Receives the number of bytes that have arrived."""


class Download:
    """One download: what both clients do with the bytes that they receive."""

    def __init__(self, artifact: Artifact, folder: Path, progress: Progress | None) -> None:
        self.artifact = artifact
        self.path = _inside(folder, artifact.name)
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._progress = progress or _ignore_progress
        self._digest = hashlib.sha256()
        self._size = 0
        self._expected = artifact.digest
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("wb")

    @property
    def headers(self) -> dict[str, str]:
        """Headers for the missing bytes, without compression, because ranges count stored bytes."""
        plain = {"Accept-Encoding": "identity"}
        return {**plain, "Range": f"bytes={self._size}-"} if self._size else plain

    @property
    def empty(self) -> bool:
        """Whether the file is empty, so that nothing needs to be fetched."""
        return self.artifact.size == 0

    def begin(self, answer: httpx.Response) -> None:
        """Start with a response: with the rest of the file, or with the whole file again.

        If a picture was not drawn when it was listed, its digest is in the first response of the
        service, which may have redirected to the object store.
        """
        if self.artifact.digest is None:
            self._expected = (answer.history or [answer])[0].headers.get("ETag", "").strip('"')
        if answer.status_code != httpx.codes.PARTIAL_CONTENT and self._size:
            self._progress(-self._size)
            self._size, self._digest = 0, hashlib.sha256()
            self._file.seek(0)
            self._file.truncate()

    def take(self, piece: bytes) -> None:
        """Add the next bytes."""
        self._file.write(piece)
        self._digest.update(piece)
        self._size += len(piece)
        self._progress(len(piece))

    def finish(self) -> Path:
        """Verify the bytes, and move the file to its path.

        Raises:
            DamagedDownload: if the bytes have another SHA-256.
        """
        self._file.close()
        if self._digest.hexdigest() != self._expected:
            self._part.unlink()
            raise DamagedDownload(
                f"{self.artifact.name}: {self._size} bytes have the SHA-256 "
                f"{self._digest.hexdigest()}; expected {self._expected}"
            )
        return self._part.replace(self.path)

    def abandon(self) -> None:
        """Delete the partial file."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _ignore_progress(count: int) -> None:
    """Ignore the progress."""


def _inside(folder: Path, name: str) -> Path:
    """The path of a file; a name cannot lead out of the folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DamagedDownload(f"the file name {name!r} leads out of {folder}")
    return path
