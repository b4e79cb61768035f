"""The service's own processes: the commands that a local stack and the containers both run."""

import sys

_GRACEFUL_SECONDS = 5
"""Time for open requests; event streams never end by themselves."""


def api_command(host: str, port: int) -> list[str]:
    """The HTTP API."""
    return [
        *(sys.executable, "-m", "uvicorn", "--factory", "service.api.app:create"),
        *("--host", host, "--port", str(port), "--no-access-log"),
        *("--timeout-graceful-shutdown", str(_GRACEFUL_SECONDS)),
    ]


def beat_command() -> list[str]:
    """The clock that sends the sweeper."""
    return [sys.executable, "-m", "worker", "beat"]


def worker_command() -> list[str]:
    """The processes that execute runs, on this machine's GPUs or cores."""
    return [sys.executable, "-m", "worker"]
