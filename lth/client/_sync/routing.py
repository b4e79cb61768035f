"""A transport that uses the proxies and certificates of the environment."""

import httpx

from lth.client.connecting import Route, route_to


class RoutingTransport(httpx.BaseTransport):
    """Sends each request directly or through a proxy; see `lth.client.proxies`."""

    def __init__(self) -> None:
        self._opened: dict[Route, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            Unreachable: if a variable that the request needs is wrong.
        """
        route = route_to(request.url)
        if route not in self._opened:
            self._opened[route] = httpx.HTTPTransport(
                verify=route.certificates(), proxy=route.httpx_proxy()
            )
        return self._opened[route].handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        for transport in self._opened.values():
            transport.close()
