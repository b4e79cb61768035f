"""A transport to the local stack that verifies the server before it sends the key."""

from typing import Any

import httpx

from lth.client._sync.routing import RoutingTransport
from lth.client.errors import Unreachable
from lth.client.proofs import new_challenge, proves


class ProvingTransport(httpx.BaseTransport):
    """Asks the server for a proof before each request with a key.

    Args:
        secret: the secret of the stack.
        inner: carries the requests.
    """

    def __init__(self, secret: str, inner: httpx.BaseTransport | None = None) -> None:
        self._secret = secret
        self._inner = inner or RoutingTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            Unreachable: if another program than the stack answers.
        """
        if "Authorization" in request.headers:
            challenge = new_challenge()
            answer = self._inner.handle_request(_question(request, challenge))
            answer.read()
            answer.close()
            _check(request, answer, self._secret, challenge)
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


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
