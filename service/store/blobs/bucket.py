"""Objects in an S3 bucket."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import S3Store

from lth.client.proxies import is_loopback
from service.store.blobs.objects import PIECE, ObjectMissing

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
"""Few retries: workers retry by themselves, and requests should not hang."""
_SILENCE, _LONGEST = timedelta(seconds=30), timedelta(days=1)
"""Timeouts: without any byte of a response, and for a whole response, such as a large blob that a
slow client reads."""


class Bucket:
    """Objects by name below a prefix of a bucket. Safe to share between threads.

    An object is durable when the store has acknowledged it. Errors are those of obstore.
    """

    local = False

    def __init__(self, url: str, options: dict[str, str]) -> None:
        self._store = S3Store.from_url(
            url,
            config=options,  # pyright: ignore[reportArgumentType]
            client_options=_connecting(options.get("endpoint", "")),
            retry_config=_RETRIES,
        )

    def put(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write an object; an object with the same name is replaced."""
        obstore.put(self._store, name, pieces)

    def secure(self, name: str) -> None:
        """Do nothing, because the store has already acknowledged the object."""

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end) of an object, in pieces.

        Raises:
            ObjectMissing: before the first piece.
        """
        try:
            found = obstore.get(self._store, name, options=_options(start, end))
        except (NotFoundError, FileNotFoundError):
            raise ObjectMissing(name) from None
        for piece in found.stream(min_chunk_size=PIECE):
            yield bytes(piece)

    def version(self, name: str) -> tuple[int, str] | None:
        """The size of an object and its entity tag; None if it is missing."""
        try:
            found = obstore.head(self._store, name)
        except (NotFoundError, FileNotFoundError):
            return None
        return found["size"], f"{found['e_tag']}-{found['last_modified']}"

    def delete(self, name: str) -> None:
        """Delete an object; a missing object is not an error."""
        try:
            obstore.delete(self._store, name)
        except (NotFoundError, FileNotFoundError):
            return

    def remove_partial(self, older_than: timedelta) -> int:
        """Do nothing, because the store deletes incomplete uploads."""
        return 0

    def presign(self, name: str, valid: timedelta) -> str:
        """An address that gives read access to the object for a limited time."""
        return obstore.sign(self._store, "GET", name, valid)


def _connecting(endpoint: str) -> "ClientConfig":
    """How to connect to an endpoint; proxies of the environment are not used on this machine."""
    config: ClientConfig = {
        "allow_http": endpoint.startswith("http://"),
        "read_timeout": _SILENCE,
        "timeout": _LONGEST,
    }
    if is_loopback(urlsplit(endpoint).hostname or ""):
        # Only a configured proxy replaces those of the environment; this one is used for no host.
        config |= {"proxy_url": endpoint, "proxy_excludes": "*"}
    return config


def _options(start: int, end: int | None) -> "obstore.GetOptions":
    if end is not None:
        return {"range": (start, end)}
    return {"range": {"offset": start}} if start else {}
