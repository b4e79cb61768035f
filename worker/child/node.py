"""The names of the worker processes of this machine."""

import os
import secrets
import socket

_NODE = "LTH_WORKER_NODE"


def name_node() -> str:
    """Name this parent process, for itself and for its future children."""
    node = f"{socket.gethostname()}/{os.getpid()}-{secrets.token_hex(2)}"
    os.environ[_NODE] = node
    return node


def node() -> str:
    """The name of the parent of this process, or of this process if it is a parent."""
    return os.environ.get(_NODE) or name_node()


def worker_id(pid: int) -> str:
    """The name of a child."""
    return f"{node()}/{pid}"
