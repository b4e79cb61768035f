"""Takes an uploaded file in, to the disk and no further than its bound."""

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, cast

import anyio.to_thread
from fastapi import Depends, Request

from service.api.access import MemberDep
from service.api.documents import drained
from service.api.parts import PartsDep
from service.api.problems import BodyTooLarge, UnsupportedMediaType

MEDIA_TYPES = ("application/x-npz", "application/octet-stream", "application/zip")
_IN_MEMORY = 4 * 2**20
_PIECE = 2**20


async def receive(request: Request, _: MemberDep, parts: PartsDep) -> AsyncIterator[BinaryIO]:
    """The body of a request as a file, which is gone when the request ends.

    Raises:
        UnsupportedMediaType: when it does not say that it is a file of bytes.
        BodyTooLarge: as soon as that is known.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMediaType(
            f"the content type is '{media_type[:80]}'; send '{MEDIA_TYPES[0]}'"
        )
    most = parts.settings.max_upload_bytes
    too_large = BodyTooLarge(f"the file is longer than {most} bytes, the most that is taken")
    if int(request.headers.get("content-length", "0")) > most:
        await drained(request.stream())
        raise too_large
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


UploadDep = Annotated[BinaryIO, Depends(receive)]
