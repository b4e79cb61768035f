"""Blobs: bytes by their SHA-256, in a folder or in S3.

The table `blobs` records which blobs exist and what refers to them; `service.store.blobs.saving`
keeps both in step. Every read of a whole blob is verified against its SHA-256. Saving a blob again
repairs it.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError

from service.store.blobs.bucket import Bucket
from service.store.blobs.folder import Folder
from service.store.blobs.objects import PIECE, ObjectMissing, Objects

_IDENTITY = "store-id"
_REMEMBERED = 10_000
"""How many verified blobs are remembered; they are not verified again until they change."""


class BlobMissing(Exception):
    """The object store does not have the blob."""


class BlobDamaged(Exception):
    """The bytes in the object store have another SHA-256."""


class StorageFailed(Exception):
    """The object store did not answer, or refused."""


@dataclass(frozen=True, slots=True)
class Blob:
    """The SHA-256 and the size of some bytes."""

    digest: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> "Blob":
        """The blob of some bytes."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))

    @classmethod
    def of_file(cls, file: IO[bytes]) -> "Blob":
        """The blob of a file's bytes."""
        file.seek(0)
        digest = hashlib.sha256()
        while piece := file.read(PIECE):
            digest.update(piece)
        return cls(digest.hexdigest(), file.tell())


class Blobs:
    """The object store. Safe to share between threads, but not across a fork."""

    def __init__(self, url: str, options: dict[str, str] | None = None) -> None:
        self.url = url
        self._objects = _open(url, options or {})
        self._checked: OrderedDict[str, str] = OrderedDict()
        self._checking = threading.Lock()

    @property
    def can_presign(self) -> bool:
        """Whether clients can be redirected to the object store."""
        return isinstance(self._objects, Bucket)

    def put(self, content: bytes) -> Blob:
        """Save bytes durably under their SHA-256. Damaged bytes with this name are replaced."""
        blob = Blob.of(content)
        self._put(blob, lambda: iter((content,)))
        return blob

    def put_file(self, blob: Blob, file: IO[bytes]) -> None:
        """Save a file as `blob`, one piece at a time."""

        def pieces() -> Iterator[bytes]:
            file.seek(0)
            return iter(lambda: file.read(PIECE), b"")

        self._put(blob, pieces)

    def get(self, digest: str) -> bytes:
        """All bytes of a blob, verified.

        Raises:
            BlobMissing: if it does not exist.
            BlobDamaged: if its bytes have another SHA-256.
            StorageFailed: if the object store does not answer.
        """
        return b"".join(self._pieces(digest))

    def stream(self, digest: str, size: int | None = None) -> Iterator[bytes]:
        """The bytes of a blob in pieces; the last piece comes after all bytes were verified.

        Args:
            digest: SHA-256 of the blob.
            size: its size in bytes, if known; a file of another size never looks complete to the
                reader.

        Raises:
            BlobMissing: at once, if it does not exist.
            BlobDamaged: before the last piece, if its bytes have another SHA-256.
            StorageFailed: if the object store does not answer.
        """
        return _begun(self._pieces(digest, size))

    def _pieces(self, digest: str, size: int | None = None) -> Iterator[bytes]:
        seen, held, total = hashlib.sha256(), b"", 0
        with _storage("cannot be read"):
            for piece in self._objects.read(_path(digest)):
                seen.update(piece)
                total += len(piece)
                if size is not None and total > size:
                    break
                if held:
                    yield held
                held = piece
        if seen.hexdigest() != digest or (size is not None and total != size):
            raise BlobDamaged(f"the object store holds other bytes than those of {digest}")
        yield held

    def part(self, digest: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end) of a blob in pieces, after the whole blob was verified.

        Raises:
            BlobMissing, BlobDamaged, StorageFailed: at once, as in `check`.
        """
        self.check(digest)
        with _storage("cannot be read"):
            return _begun(self._objects.read(_path(digest), start, end))

    def check(self, digest: str) -> None:
        """Verify a blob, unless it was verified since it last changed.

        Raises:
            BlobMissing: if it does not exist.
            BlobDamaged: if its bytes have another SHA-256.
            StorageFailed: if the object store does not answer.
        """
        with _storage("cannot be read"):
            found = self._objects.version(_path(digest))
        version = found[1] if found else None
        if version is not None and self._checked.get(digest) == version:
            return
        self.read_all(digest)
        if version is not None:
            self._remember(digest, version)

    def has(self, digest: str) -> bool:
        """Whether a blob exists and is undamaged (`check`)."""
        try:
            self.check(digest)
        except (BlobMissing, BlobDamaged):
            return False
        return True

    def read_all(self, digest: str) -> None:
        """Read and verify a blob; raises as `check` does."""
        for _ in self._pieces(digest):
            pass

    def size(self, digest: str) -> int | None:
        """The size of a blob in bytes; None if it does not exist."""
        with _storage("does not answer"):
            found = self._objects.version(_path(digest))
        return found[0] if found else None

    def presign(self, digest: str, valid: timedelta) -> str:
        """An address that gives read access to the blob for a limited time; S3 only."""
        if not isinstance(self._objects, Bucket):
            raise TypeError("a folder has no addresses; look at can_presign first")
        return self._objects.presign(_path(digest), valid)

    def delete(self, digest: str) -> None:
        """Delete a blob; a missing blob is not an error."""
        with _storage("does not delete"):
            self._objects.delete(_path(digest))

    def remove_partial(self, older_than: timedelta) -> int:
        """Delete files that processes began to save and never finished; returns their number."""
        with _storage("cannot be tidied"):
            return self._objects.remove_partial(older_than)

    def identity(self) -> str | None:
        """The identity in this object store; None if there is none."""
        with _storage("cannot be read"):
            try:
                return b"".join(self._objects.read(_IDENTITY)).decode()
            except ObjectMissing:
                return None

    def identify(self, identity: str) -> None:
        """Write an identity into this object store."""
        with _storage("refuses to save"):
            self._objects.put(_IDENTITY, iter((identity.encode(),)))

    def ping(self) -> None:
        """Check that the object store answers.

        Raises:
            StorageFailed: if it does not.
        """
        self.size("0" * 64)

    def _put(self, blob: Blob, pieces: Callable[[], Iterator[bytes]]) -> None:
        """Save a blob, unless the same bytes exist; those are synced to disk."""
        name = _path(blob.digest)
        with _storage("refuses to save"):
            if self._objects.local and self._is_whole(blob):
                self._objects.secure(name)
            else:
                self._objects.put(name, pieces())

    def _is_whole(self, blob: Blob) -> bool:
        return self.size(blob.digest) == blob.size and self.has(blob.digest)

    def _remember(self, digest: str, version: str) -> None:
        with self._checking:
            self._checked[digest] = version
            self._checked.move_to_end(digest)
            if len(self._checked) > _REMEMBERED:
                self._checked.popitem(last=False)


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first piece now, so that an error occurs before the response begins."""
    first = next(pieces, b"")
    return chain((first,), pieces)


@contextmanager
def _storage(complaint: str) -> Iterator[None]:
    """Convert the errors of all object stores."""
    try:
        yield
    except ObjectMissing as error:
        raise BlobMissing(f"no blob {str(error).rpartition('/')[2]} in the object store") from error
    except (BaseError, OSError) as error:
        raise StorageFailed(f"the object store {complaint}: {error}") from error


def _open(url: str, options: dict[str, str]) -> Objects:
    if url.startswith("file:"):
        return Folder(Path(unquote(urlsplit(url).path)))
    return Bucket(url, options)


def _path(digest: str) -> str:
    return f"{digest[:2]}/{digest}"
