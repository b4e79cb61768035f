"""Answers ``HEAD`` on all routes that answer ``GET``: same status, same headers, no body."""

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ASKED = "lth.head"


def wants_body(request: Request) -> bool:
    """Whether an endpoint must produce more than headers."""
    return _ASKED not in request.scope


class Heads:
    """ASGI middleware: lets ``GET`` endpoints answer ``HEAD``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        scope["method"] = "GET"
        scope[_ASKED] = True
        # A range applies only to a body (RFC 9110, section 14.2).
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"range"]

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["method"] = "HEAD"  # The server lets the body be shorter than announced.
                await send(message)
                # This completes the response; a stream ends as after a disconnect.
                await send({"type": "http.response.body"})

        await self.app(scope, receive, send_head)
