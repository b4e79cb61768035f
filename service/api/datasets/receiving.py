"""Receives an uploaded file to disk, up to a bound."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, cast

import anyio.to_thread
from fastapi import Depends, Request

from service.api.accounts.access import MemberDep
from service.api.http.documents import drained, media_type_of
from service.api.http.problems import BodyTooLarge, InsufficientStorage, UnsupportedMediaType
from service.api.http.state import AppState, AppStateDep
from service.store.accounts import owners

MEDIA_TYPES = (
    "application/octet-stream",
    "application/x-npz",
    "application/zip",
    "text/csv",
    "application/vnd.apache.parquet",
)
"""The types of bodies that are read. The content decides about the format."""
_IN_MEMORY = 4 * 2**20
_PIECE = 2**20


async def receive(
    request: Request, principal: MemberDep, app: AppStateDep
) -> AsyncIterator[BinaryIO]:
    """The body of a request as a file, which is deleted when the request ends.

    Raises:
        UnsupportedMediaType: if the content type is not that of a binary file, or it is encoded.
        BodyTooLarge: as soon as the body is known to be too long.
        QuotaExceeded: if the owner's quota has no room: before the body is read, or as soon as more
            bytes arrive.
        InsufficientStorage: if the disk for uploads is full.
    """
    media_type = media_type_of(request)
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMediaType(
            f"the content type is '{media_type[:80]}'; send '{MEDIA_TYPES[0]}'"
        )
    most = app.settings.max_upload_bytes
    too_large = BodyTooLarge(f"the file is longer than {most} bytes, the most that is taken")
    announced = int(request.headers.get("content-length", "0"))
    if announced > most:
        await drained(request.stream())
        raise too_large
    room = await anyio.to_thread.run_sync(_room, app, principal.owner, max(announced, 1))
    with _full_disk(), SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        size, piece = 0, bytearray()
        stream = request.stream()
        async for chunk in stream:
            size += len(chunk)
            if size > most:
                await drained(stream)
                raise too_large
            if room is not None and size > room:
                await drained(stream)
                await anyio.to_thread.run_sync(_room, app, principal.owner, size)
            piece += chunk
            if len(piece) >= _PIECE:
                await anyio.to_thread.run_sync(file.write, bytes(piece))
                piece.clear()
        await anyio.to_thread.run_sync(file.write, bytes(piece))
        file.seek(0)
        yield cast(BinaryIO, file)


def _room(app: AppState, owner: str, size: int) -> int | None:
    """Bytes that the owner may still store; None if unlimited.

    Raises if `size` bytes do not fit.
    """
    with app.database.transaction() as session:
        owners.check_room(session, owner, size)
        return owners.room(session, owner)


@contextmanager
def _full_disk() -> Iterator[None]:
    """Respond with a problem document if the disk for uploads is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT):
            raise
        raise InsufficientStorage(
            "the server's disk for uploads is full; nothing was stored, try again later"
        ) from error


UploadDep = Annotated[BinaryIO, Depends(receive)]
