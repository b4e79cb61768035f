"""A network that a test can cut: a TCP port that forwards bytes to Postgres."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import make_url


@dataclass
class Relay:
    """Forwards bytes between a loopback port and a Unix socket of Postgres.

    After `cut` it carries nothing any more and closes nothing: neither side hears of the other.
    """

    target: str
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    held: list[socket.socket] = field(default_factory=list)
    connected: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.connected.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Drop everything from now on."""
        self.connected.clear()

    def close(self) -> None:
        self.listener.close()
        for one in self.held:
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self.target)
                self.held += [near, far]
                for source, sink in ((near, far), (far, near)):
                    carry = threading.Thread(target=self._carry, args=(source, sink), daemon=True)
                    carry.start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while (content := source.recv(1 << 16)) and self.connected.is_set():
                sink.sendall(content)
            if self.connected.is_set():
                sink.shutdown(socket.SHUT_WR)


@contextmanager
def relayed(database_url: str) -> Iterator[tuple[str, Relay]]:
    """The address of a database through a relay, and the relay."""
    url = make_url(database_url)
    relay = Relay(f"{url.query['host']}/.s.PGSQL.5432")
    port = relay.listener.getsockname()[1]
    far = url.set(host="127.0.0.1", port=port, query={})
    try:
        yield far.render_as_string(hide_password=False), relay
    finally:
        relay.close()
