"""The service's own processes: the commands that a local stack and the containers both run."""

import sys


def api_command(host: str, port: int) -> list[str]:
    """The HTTP API."""
    return [sys.executable, "-m", "service.api", "--host", host, "--port", str(port)]


def beat_command() -> list[str]:
    """The clock that sends the sweeper."""
    return [sys.executable, "-m", "worker", "beat"]


def worker_command() -> list[str]:
    """The processes that execute runs, on this machine's GPUs or cores."""
    return [sys.executable, "-m", "worker"]
