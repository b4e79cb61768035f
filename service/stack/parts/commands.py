"""The commands of the service's own processes, in a local stack and in containers."""

import sys


def api_command(host: str, port: int) -> list[str]:
    """The HTTP API."""
    return [sys.executable, "-m", "service.api", "--host", host, "--port", str(port)]


def beat_command() -> list[str]:
    """The scheduler of the sweeper."""
    return [sys.executable, "-m", "worker", "beat"]


def worker_command() -> list[str]:
    """The workers of this machine, on its GPUs or cores."""
    return [sys.executable, "-m", "worker"]
