"""``python -m service.api --host 127.0.0.1 --port 8000`` runs the API in this process."""

import argparse
import sys
from contextlib import suppress

import uvicorn

from service import descriptors
from service.api.app import create
from service.api.serving import server_config

_GRACEFUL_SECONDS = 5
"""Time for open requests; event streams never end by themselves."""


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m service.api")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args()
    descriptors.raise_limit()
    config = server_config(create(), _GRACEFUL_SECONDS, host=chosen.host, port=chosen.port)
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit("the API did not start")


if __name__ == "__main__":
    main()
