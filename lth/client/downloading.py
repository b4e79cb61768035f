"""Fetching files: into a part beside its place, from where it broke off, checked at the end."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx

from lth.client.errors import DamagedDownload
from lth.client.models import Artifact

Progress = Callable[[int], None]
"""Told the number of bytes that came in."""


class Download:
    """One file on its way: what both clients do with the pieces that they receive."""

    def __init__(self, artifact: Artifact, folder: Path, progress: Progress | None) -> None:
        self.artifact = artifact
        self.path = _inside(folder, artifact.name)
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._progress = progress or _unheard
        self._digest = hashlib.sha256()
        self._size = 0
        self._expected = artifact.digest
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("wb")

    @property
    def headers(self) -> dict[str, str]:
        """What is still to be sent; without compression, as lengths and places count bytes."""
        plain = {"Accept-Encoding": "identity"}
        return {**plain, "Range": f"bytes={self._size}-"} if self._size else plain

    @property
    def there(self) -> bool:
        """Whether nothing needs to be fetched: the file is empty."""
        return self.artifact.size == 0

    def begin(self, answer: httpx.Response) -> None:
        """Take an answer's beginning: the rest of the file, or all of it anew.

        The service's own answer, which may have led to the object store, tells the digest of a
        picture that was not drawn when it was listed.
        """
        if self.artifact.digest is None:
            self._expected = (answer.history or [answer])[0].headers.get("ETag", "").strip('"')
        if answer.status_code != httpx.codes.PARTIAL_CONTENT and self._size:
            self._progress(-self._size)
            self._size, self._digest = 0, hashlib.sha256()
            self._file.seek(0)
            self._file.truncate()

    def take(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._file.write(piece)
        self._digest.update(piece)
        self._size += len(piece)
        self._progress(len(piece))

    def finish(self) -> Path:
        """Check the bytes, and put the file into its place.

        Raises:
            DamagedDownload: when they are not those that the service has.
        """
        self._file.close()
        if self._digest.hexdigest() != self._expected:
            self._part.unlink()
            raise DamagedDownload(
                f"{self.artifact.name}: {self._size} bytes came with the SHA-256 "
                f"{self._digest.hexdigest()}; the service has others, with {self._expected}"
            )
        return self._part.replace(self.path)

    def abandon(self) -> None:
        """Leave nothing half-done behind."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _unheard(count: int) -> None:
    """Nobody wants to know the progress."""


def _inside(folder: Path, name: str) -> Path:
    """Where a file goes; a name cannot lead out of the folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DamagedDownload(f"the file name {name!r} leads out of {folder}")
    return path
