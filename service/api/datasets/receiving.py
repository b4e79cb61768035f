"""Takes an uploaded file in, to the disk and no further than its bound."""

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, cast

import anyio.to_thread
from fastapi import Depends, Request

from service.api.access import MemberDep
from service.api.documents import drained
from service.api.parts import Parts, PartsDep
from service.api.problems import BodyTooLarge, UnsupportedMediaType
from service.store import owners

MEDIA_TYPES = ("application/x-npz", "application/octet-stream", "application/zip")
_IN_MEMORY = 4 * 2**20
_PIECE = 2**20


async def receive(
    request: Request, principal: MemberDep, parts: PartsDep
) -> AsyncIterator[BinaryIO]:
    """The body of a request as a file, which is gone when the request ends.

    Raises:
        UnsupportedMediaType: when it does not say that it is a file of bytes.
        BodyTooLarge: as soon as that is known.
        QuotaExceeded: when the owner has no room for it, before any of it is read.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMediaType(
            f"the content type is '{media_type[:80]}'; send '{MEDIA_TYPES[0]}'"
        )
    most = parts.settings.max_upload_bytes
    too_large = BodyTooLarge(f"the file is longer than {most} bytes, the most that is taken")
    announced = int(request.headers.get("content-length", "0"))
    if announced > most:
        await drained(request.stream())
        raise too_large
    await anyio.to_thread.run_sync(_check_room, parts, principal.owner, max(announced, 1))
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        size, piece = 0, bytearray()
        stream = request.stream()
        async for chunk in stream:
            size += len(chunk)
            if size > most:
                await drained(stream)
                raise too_large
            piece += chunk
            if len(piece) >= _PIECE:
                await anyio.to_thread.run_sync(file.write, bytes(piece))
                piece.clear()
        await anyio.to_thread.run_sync(file.write, bytes(piece))
        file.seek(0)
        yield cast(BinaryIO, file)


def _check_room(parts: Parts, owner: str, size: int) -> None:
    with parts.database.transaction() as session:
        owners.check_room(session, owner, size)


UploadDep = Annotated[BinaryIO, Depends(receive)]
