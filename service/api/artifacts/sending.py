"""Responds with the bytes of a file, or redirects to them."""

from datetime import timedelta
from typing import Any

from fastapi import Request, Response, status
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import BaseModel, Field

from lth.results.artifacts import CSV, JSON, NPZ, PNG, SVG
from service.api.artifacts.ranges import etag, matches, wanted_range
from service.api.http.heads import wants_body
from service.api.http.problems import NotFound, RangeNotSatisfiable, answers
from service.api.http.state import AppState
from service.store.tables import Artifact

_VALID = timedelta(minutes=10)
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_CONTENT = dict.fromkeys((NPZ, JSON, CSV, PNG, SVG), _BYTES)

FILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": _CONTENT},
    206: {"description": "The part of it that was asked for", "content": _CONTENT},
    304: {"description": "You have it already"},
    307: {"description": "It is fetched from the object store, at this address"},
    **answers(NotFound, RangeNotSatisfiable),
}


class Conditions(BaseModel):
    """The headers of a conditional or range request."""

    if_none_match: str | None = Field(default=None, description="entity tags that you have")
    if_range: str | None = Field(default=None, description="the version that the range is of")
    range: str | None = Field(
        default=None, description="one range of bytes", examples=["bytes=0-99"]
    )


def send(artifact: Artifact, app: AppState, conditions: Conditions, request: Request) -> Response:
    """Respond to a request for a file or for its headers."""
    headers = {
        "ETag": etag(artifact.digest),
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
    }
    if matches(conditions.if_none_match, artifact.digest):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    # Addresses are signed for GET only; HEAD is answered here.
    if app.blobs.can_presign and not app.settings.proxy_artifacts and wants_body(request):
        return RedirectResponse(app.blobs.presign(artifact.digest, _VALID), headers=headers)
    wanted = wanted_range(conditions.range, conditions.if_range, artifact.digest, artifact.size)
    filename = artifact.name.replace("/", "-")
    headers["Content-Disposition"] = f'inline; filename="{filename}"'
    if wanted is None:
        headers["Content-Length"] = str(artifact.size)
        if not wants_body(request):
            return Response(None, 200, headers, artifact.media_type)
        pieces = app.blobs.stream(artifact.digest, artifact.size)
        return StreamingResponse(pieces, 200, headers, artifact.media_type)
    headers["Content-Length"] = str(len(wanted))
    headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{artifact.size}"
    pieces = app.blobs.part(artifact.digest, wanted.start, wanted.stop)
    return StreamingResponse(pieces, 206, headers, artifact.media_type)
