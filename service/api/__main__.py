"""``python -m service.api --host 127.0.0.1 --port 8000`` runs the API in this process."""

import argparse
import socket
import sys
from contextlib import suppress

import uvicorn

from service import descriptors
from service.api.app import create
from service.api.http.server import server_config
from service.api.operations.watchdog import Watchdog

_GRACEFUL_SECONDS = 5
"""Seconds for open requests at shutdown; event streams do not end by themselves."""


class WatchedServer(uvicorn.Server):
    """A server that ends its process if it no longer answers."""

    def __init__(self, config: uvicorn.Config, watchdog_seconds: float) -> None:
        super().__init__(config)
        self._watchdog_seconds = watchdog_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and start the watchdog."""
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            Watchdog(self.config.host, port, self._watchdog_seconds).start()


def main() -> None:
    """Serve until a signal stops the process."""
    parser = argparse.ArgumentParser(prog="python -m service.api")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args()
    descriptors.raise_limit()
    app = create()
    config = server_config(app, _GRACEFUL_SECONDS, host=chosen.host, port=chosen.port)
    server = WatchedServer(config, app.state.settings.watchdog_seconds)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit("the API did not start")


if __name__ == "__main__":
    main()
