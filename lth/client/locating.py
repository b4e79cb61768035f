"""Finds the service: its address and the key."""

import os
import re
from dataclasses import dataclass, field
from importlib.metadata import version

from lth.client.connecting import is_address
from lth.client.errors import NoAddress, Unreachable
from lth.client.local_stack import default_directory, read_admin_key, read_running

_KEY = re.compile(r"[!-~]+")
SECONDS = 30.0
"""How long a request waits for an answer."""
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """A server and a key.

    Attributes:
        secret: of the local stack; the server must prove that it knows the secret before the client
            sends the key. None for other servers.
    """

    server: str
    key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        said = {"User-Agent": f"lth/{version('lth')}"}
        return {**said, "Authorization": f"Bearer {self.key}"} if self.key else said


def locate(server: str | None = None, key: str | None = None) -> Address:
    """Find the server: `server`, or ``LTH_SERVER``, or the local stack.

    The key is `key`, or ``LTH_API_KEY``, or the key of the local stack.

    Raises:
        NoAddress: if no address is set and no local stack runs.
        Unreachable: if the address is wrong.
    """
    key = key or os.environ.get("LTH_API_KEY")
    server = (server or os.environ.get("LTH_SERVER") or "").rstrip("/") or None
    if server is not None and not server.startswith(("http://", "https://")):
        raise Unreachable(
            f"'{server}' is not an address of a service; it must begin with http:// "
            f"or https://, such as 'https://{server}'"
        )
    if server is not None and not is_address(server):
        raise Unreachable(
            f"'{server}' is not an address of a service; expected http://HOST:PORT or https://HOST"
        )
    if key is not None and not _KEY.fullmatch(key):
        raise Unreachable(
            "the API key of --key or LTH_API_KEY contains a space, a line break or another "
            "character that no key has; expected a key such as lth_..., without anything around it"
        )
    directory = default_directory()
    running = read_running(directory)
    if server is None and running is None:
        raise NoAddress(
            f"no address of a service is set, and no local stack runs on {directory}. Start one "
            "with 'lth up', set LTH_DATA_DIR to the data directory of another one, or set an "
            "address with --server or LTH_SERVER"
        )
    if running is not None and server in (None, running.server):
        return Address(running.server, key or read_admin_key(directory), running.secret)
    assert server is not None
    return Address(server, key)
