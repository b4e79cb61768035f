"""Gives each request an id, which is in its response, in its log lines and in problem documents."""

import re
import secrets
from time import perf_counter

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.http.metrics import observe

HEADER = "X-Request-Id"
ANSWER_HEADERS = "lth.answer_headers"
"""The key of headers in the scope of a request that the response will have."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MOST_LOGGED = 500
"""The most bytes of a path in the log."""
_log = structlog.get_logger(__name__)


def request_id_of(request: Request) -> str | None:
    """The id of a request."""
    return request.scope.get("lth.request_id")


class Tracing:
    """ASGI middleware: names each request, logs it, and measures it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        name = given if _ID.fullmatch(given) else secrets.token_hex(8)
        scope["lth.request_id"] = name
        started = perf_counter()
        status = 500

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = name
                headers.update(scope.get(ANSWER_HEADERS, {}))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=name):
            try:
                await self.app(scope, receive, send_named)
            finally:
                seconds = perf_counter() - started
                observe(scope, status, seconds)
                _log.info(
                    "request",
                    method=scope["method"],
                    path=scope["raw_path"][:_MOST_LOGGED].decode("ascii", "backslashreplace"),
                    status=status,
                    ms=round(seconds * 1_000, 1),
                    client=(scope.get("client") or ("",))[0],
                )
