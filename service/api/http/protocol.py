"""uvicorn's HTTP protocol with bounds; it reports each connection to `Connections`.

uvicorn bounds neither the number of connections, nor the length of a head, nor the time until it is
complete. This class does, and answers with problem documents.
"""

import asyncio
from collections.abc import Container
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.http.connections import CONNECTION, Connections, End
from service.api.http.problems import (
    MEDIA_TYPE,
    ApiError,
    HeadTooLarge,
    MalformedRequest,
    TooSlow,
    Unavailable,
)

MOST_HEAD_BYTES = 65_536


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, registry: Connections, proxies: Container[str | None], **given: Any) -> None:
        super().__init__(**given)
        self.address: str | None = None
        self.owner: str | None = None
        self.anonymous = True
        self._registry, self._proxies = registry, proxies
        self._received = 0
        self._unparsed = 0
        """Bytes received since the parser last found a head, a part of a body, or an end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        host = self.client[0] if self.client else None
        self.address = None if host in self._proxies else host
        self._registry.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._registry.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._received += len(data)
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(
                HeadTooLarge(f"the head is longer than {MOST_HEAD_BYTES} bytes, the most here")
            )

    def on_headers_complete(self) -> None:
        self._unparsed = 0
        self.scope[CONNECTION] = self  # pyright: ignore[reportGeneralTypeIssues]
        self._registry.started(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._registry.answered(self, more=not self.cycle.response_complete)

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest(msg))

    def waits(self) -> bool:
        """Whether the request waits for the client to send or to read."""
        sends = self.cycle.more_body and not self.flow.read_paused
        return sends or self.flow.write_paused

    def progress(self) -> tuple[int, int]:
        """Two counters that change whenever the client sends or reads."""
        return self._received, self.unsent()

    def unsent(self) -> int:
        """Bytes of responses that the client has not read."""
        return self.transport.get_write_buffer_size()

    def end(self, why: End) -> None:
        """Close the connection; tell the client why if it waits for a response."""
        if self.transport.is_closing() or self.unsent():
            self.transport.abort()
        elif why is End.REFUSED:
            retry = {"Retry-After": "1"}
            self._refuse(Unavailable("too many connections are open; try again", headers=retry))
        elif why is End.IDLE and self._unparsed:
            self._refuse(TooSlow("the head of the request did not come in time"))
        else:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        body = error.problem(None).model_dump_json(exclude_none=True).encode()
        headers = {
            **error.headers,
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        lines = [f"HTTP/1.1 {error.status} {error.title}", *map(": ".join, headers.items()), "", ""]
        self.transport.write("\r\n".join(lines).encode() + body)
        self.transport.close()
