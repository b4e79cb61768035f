"""A transport to the local stack that verifies the server before it sends the key."""

from typing import Any

import httpx

from lth.client._async.routing import AsyncRoutingTransport
from lth.client.errors import Unreachable
from lth.client.proofs import new_challenge, proves


class AsyncProvingTransport(httpx.AsyncBaseTransport):
    """Asks the server for a proof before each request with a key.

    Args:
        secret: the secret of the stack.
        inner: carries the requests.
    """

    def __init__(self, secret: str, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._secret = secret
        self._inner = inner or AsyncRoutingTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            Unreachable: if another program than the stack answers.
        """
        if "Authorization" in request.headers:
            challenge = new_challenge()
            answer = await self._inner.handle_async_request(_question(request, challenge))
            await answer.aread()
            await answer.aclose()
            _check(request, answer, self._secret, challenge)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def _question(request: httpx.Request, challenge: str) -> httpx.Request:
    """A request for a proof to the same server, without a key."""
    return httpx.Request(
        "GET",
        request.url.copy_with(path="/healthz", query=None, fragment=None),
        params={"challenge": challenge},
        headers={"User-Agent": request.headers.get("User-Agent", "lth")},
        extensions={"timeout": request.extensions["timeout"]},
    )


def _check(request: httpx.Request, answer: httpx.Response, secret: str, challenge: str) -> None:
    if proves(secret, challenge, _content(answer)):
        return
    where = request.url.copy_with(path="/", query=None)
    raise Unreachable(
        f"another program than the stack on this machine answers at {where}; the key was not sent. "
        "Start the stack again with 'lth up', or name another service with --server or LTH_SERVER"
    )


def _content(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
