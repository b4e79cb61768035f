"""Reads a local stack's data directory: its announcement and its key."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

ADMIN_KEY = "admin-key"
ANNOUNCEMENT = "stack.json"


@dataclass(frozen=True)
class Running:
    """What a running stack announces.

    Attributes:
        pid: of the process that runs the stack.
        server: address of the API.
        database_url, broker_url, object_store_url: addresses of the other parts.
        secret: the API proves with it that it belongs to this stack.
    """

    pid: int
    server: str
    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    object_store_url: str
    secret: str = field(repr=False)


def default_directory() -> Path:
    """``LTH_DATA_DIR``, or the directory of this user. Its path is absolute."""
    chosen = os.environ.get("LTH_DATA_DIR")
    return Path(chosen).absolute() if chosen else user_directory()


def user_directory() -> Path:
    """The data directory of this user, if no other is chosen."""
    return platformdirs.user_data_path("lth")


def read_running(directory: Path) -> Running | None:
    """The announcement of the stack on a data directory, if its process is alive."""
    try:
        running = Running(**json.loads((directory / ANNOUNCEMENT).read_text()))
        os.kill(running.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return running


def read_admin_key(directory: Path) -> str | None:
    """The administrator's key of the stack on a data directory, if there is one."""
    try:
        return (directory / ADMIN_KEY).read_text().strip()
    except OSError:
        return None
