"""Blobs: bytes by their SHA-256, in a folder or in S3. Nothing else knows which.

This is the object store alone. The table `blobs` says which blobs exist and what refers to them;
see `service.store.blobs.saving` for how the two stay in step.

Every read of a whole blob is checked against its name. Saving a blob again repairs it.
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
"""Blobs that were checked and are not read again for that, unless they change."""


class BlobMissing(Exception):
    """The object store has no such blob."""


class BlobDamaged(Exception):
    """The object store gave back other bytes than were put there."""


class StorageFailed(Exception):
    """The object store did not answer, or refused."""


@dataclass(frozen=True, slots=True)
class Blob:
    """The name and size of some bytes."""

    digest: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> "Blob":
        """The name that `content` would have."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))

    @classmethod
    def of_file(cls, file: IO[bytes]) -> "Blob":
        """The name that all bytes of a file would have."""
        file.seek(0)
        digest = hashlib.sha256()
        while piece := file.read(PIECE):
            digest.update(piece)
        return cls(digest.hexdigest(), file.tell())


class Blobs:
    """The object store. Safe to share between threads; not to be carried over a fork."""

    def __init__(self, url: str, options: dict[str, str] | None = None) -> None:
        self.url = url
        self._objects = _open(url, options or {})
        self._checked: OrderedDict[str, str] = OrderedDict()
        self._checking = threading.Lock()

    @property
    def can_presign(self) -> bool:
        """Whether clients can be sent to the object store itself."""
        return isinstance(self._objects, Bucket)

    def put(self, content: bytes) -> Blob:
        """Save bytes under their digest, durably. Damaged bytes of that name are replaced."""
        blob = Blob.of(content)
        self._put(blob, lambda: iter((content,)))
        return blob

    def put_file(self, blob: Blob, file: IO[bytes]) -> None:
        """Save a file, whose name `blob` is, without holding all of it in memory."""

        def pieces() -> Iterator[bytes]:
            file.seek(0)
            return iter(lambda: file.read(PIECE), b"")

        self._put(blob, pieces)

    def get(self, digest: str) -> bytes:
        """All bytes of a blob, checked against its name.

        Raises:
            BlobMissing: when it is not there.
            BlobDamaged: when the bytes are not those that were saved.
            StorageFailed: when the object store does not answer.
        """
        return b"".join(self._pieces(digest))

    def stream(self, digest: str, size: int | None = None) -> Iterator[bytes]:
        """The bytes of a blob in pieces; the last piece comes when all of them were checked.

        Args:
            digest: of the blob.
            size: bytes that it must have, if that is known. Then a longer file never looks complete
                to a reader who expects so many.

        Raises:
            BlobMissing: at once, when it is not there.
            BlobDamaged: before the last piece, and at once if there is only one, when the bytes are
                not those that were saved.
            StorageFailed: when the object store does not answer.
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
        """The bytes [start, end) of a blob in pieces, once the whole blob was checked.

        Raises:
            BlobMissing, BlobDamaged, StorageFailed: at once, as `check` does.
        """
        self.check(digest)
        with _storage("cannot be read"):
            return _begun(self._objects.read(_path(digest), start, end))

    def check(self, digest: str) -> None:
        """Read a blob and hold it against its name, unless that was done since it last changed.

        Raises:
            BlobMissing: when it is not there.
            BlobDamaged: when the bytes are not those that were saved.
            StorageFailed: when the object store does not answer.
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
        """Whether a blob is there and whole (`check`)."""
        try:
            self.check(digest)
        except (BlobMissing, BlobDamaged):
            return False
        return True

    def read_all(self, digest: str) -> None:
        """Read a blob and hold it against its name; raises as `check` does."""
        for _ in self._pieces(digest):
            pass

    def size(self, digest: str) -> int | None:
        """How many bytes a blob has, or None if it is not there."""
        with _storage("does not answer"):
            found = self._objects.version(_path(digest))
        return found[0] if found else None

    def presign(self, digest: str, valid: timedelta) -> str:
        """An address from which anybody can read the blob for a while; S3 only."""
        if not isinstance(self._objects, Bucket):
            raise TypeError("a folder has no addresses; look at can_presign first")
        return self._objects.presign(_path(digest), valid)

    def delete(self, digest: str) -> None:
        """Remove a blob; removing one that is not there changes nothing."""
        with _storage("does not delete"):
            self._objects.delete(_path(digest))

    def remove_partial(self, older_than: timedelta) -> int:
        """Remove what processes began to save and never finished; returns how many files."""
        with _storage("cannot be tidied"):
            return self._objects.remove_partial(older_than)

    def identity(self) -> str | None:
        """The identity that was written into this object store, or None."""
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
        """Ask the object store for a sign of life.

        Raises:
            StorageFailed: when there is none.
        """
        self.size("0" * 64)

    def _put(self, blob: Blob, pieces: Callable[[], Iterator[bytes]]) -> None:
        """Save a blob, unless the same bytes are there; those are made durable."""
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
    """Read the first piece now, so that an error shows here and not in the middle of an answer."""
    first = next(pieces, b"")
    return chain((first,), pieces)


@contextmanager
def _storage(complaint: str) -> Iterator[None]:
    """Turn the errors of any object store into ours."""
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
