"""Bytes by their SHA-256, in a folder or in S3: one interface, and nothing else knows which.

This is the object store alone. That a blob is there, and who refers to it, is written in the
table `blobs`; see `service.store.keeping` for how the two stay in step.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, S3Store, from_url

if TYPE_CHECKING:
    from obstore.store import RetryConfig

_PIECE = 1 << 20
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
"""Few: a worker tries again by itself, and a request should not hang."""
_SILENCE, _LONGEST = timedelta(seconds=30), timedelta(days=1)
"""How long nothing may come of an answer, and an answer may take: a large blob to a slow client."""


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
        while piece := file.read(_PIECE):
            digest.update(piece)
        return cls(digest.hexdigest(), file.tell())


class Blobs:
    """The object store. Safe to share between threads; not to be carried over a fork."""

    def __init__(self, url: str, options: dict[str, str] | None = None) -> None:
        self.url = url
        self._store = _open(url, options or {})

    @property
    def can_presign(self) -> bool:
        """Whether clients can be sent to the object store itself."""
        return isinstance(self._store, S3Store)

    def put(self, content: bytes) -> Blob:
        """Save bytes under their digest; saving them again changes nothing."""
        blob = Blob.of(content)
        self._put(blob, content)
        return blob

    def put_file(self, blob: Blob, file: IO[bytes]) -> None:
        """Save a file, whose name `blob` is, without holding all of it in memory."""
        file.seek(0)
        self._put(blob, iter(lambda: file.read(_PIECE), b""))

    def get(self, digest: str) -> bytes:
        """All bytes of a blob, checked against its name.

        Raises:
            BlobMissing: when it is not there.
            BlobDamaged: when the bytes are not those that were saved.
            StorageFailed: when the object store does not answer.
        """
        try:
            content = obstore.get(self._store, _path(digest)).bytes().to_bytes()
        except (NotFoundError, FileNotFoundError) as error:
            raise BlobMissing(f"no blob {digest} in the object store") from error
        except (BaseError, OSError) as error:
            raise StorageFailed(f"the object store cannot be read: {error}") from error
        if Blob.of(content).digest != digest:
            raise BlobDamaged(f"the object store holds other bytes than those of {digest}")
        return content

    def stream(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end) of a blob in pieces; the whole of it is checked while it passes.

        Raises:
            BlobMissing: before the first piece, when it is not there.
            BlobDamaged: after the last piece, when the bytes are not those that were saved.
        """
        whole = start == 0 and end is None
        try:
            found = obstore.get(self._store, _path(digest), options=_options(start, end))
        except (NotFoundError, FileNotFoundError) as error:
            raise BlobMissing(f"no blob {digest} in the object store") from error
        except (BaseError, OSError) as error:
            raise StorageFailed(f"the object store cannot be read: {error}") from error
        return _pieces(found, digest, whole=whole)

    def size(self, digest: str) -> int | None:
        """How many bytes a blob has, or None if it is not there."""
        try:
            return obstore.head(self._store, _path(digest))["size"]
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise StorageFailed(f"the object store does not answer: {error}") from error

    def presign(self, digest: str, valid: timedelta) -> str:
        """An address from which anybody can read the blob for a while; S3 only."""
        if not isinstance(self._store, S3Store):
            raise TypeError("a folder has no addresses; look at can_presign first")
        return obstore.sign(self._store, "GET", _path(digest), valid)

    def delete(self, digest: str) -> None:
        """Remove a blob; removing one that is not there changes nothing."""
        try:
            obstore.delete(self._store, _path(digest))
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise StorageFailed(f"the object store does not delete: {error}") from error

    def ping(self) -> None:
        """Ask the object store for a sign of life.

        Raises:
            StorageFailed: when there is none.
        """
        self.size("0" * 64)

    def _put(self, blob: Blob, content: bytes | Iterator[bytes]) -> None:
        if self.size(blob.digest) == blob.size:
            return
        try:
            obstore.put(self._store, _path(blob.digest), content)
        except (BaseError, OSError) as error:
            raise StorageFailed(f"the object store refuses to save: {error}") from error


def _open(url: str, options: dict[str, str]) -> ObjectStore:
    if url.startswith("file:"):
        folder = Path(unquote(urlsplit(url).path))
        return LocalStore(folder, mkdir=True)
    plain = options.get("endpoint", "").startswith("http://")
    return from_url(
        url,
        config=options,  # pyright: ignore[reportArgumentType, reportCallIssue]
        client_options={"allow_http": plain, "read_timeout": _SILENCE, "timeout": _LONGEST},
        retry_config=_RETRIES,
    )


def _path(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


def _options(start: int, end: int | None) -> "obstore.GetOptions":
    if end is not None:
        return {"range": (start, end)}
    return {"range": {"offset": start}} if start else {}


def _pieces(found: "obstore.GetResult", digest: str, *, whole: bool) -> Iterator[bytes]:
    seen = hashlib.sha256()
    for piece in found.stream(min_chunk_size=_PIECE):
        content = bytes(piece)
        if whole:
            seen.update(content)
        yield content
    if whole and seen.hexdigest() != digest:
        raise BlobDamaged(f"the object store holds other bytes than those of {digest}")
