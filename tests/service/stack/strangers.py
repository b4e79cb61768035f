"""A process of the user `nobody` that tries to access a stack. Only root can start it."""

import json
import os
import pwd
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg

NAMES = ("lth", "lth_service", "postgres", "nobody", "root")


def as_nobody(look: Callable[[], Any]) -> Any:
    """The result of `look` in a process of `nobody`; it must be JSON."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            user = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            with os.fdopen(writer, "w") as answer:
                json.dump(look(), answer)
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as answer:
        said = answer.read()
    assert os.waitpid(child, 0)[1] == 0, "the process of nobody failed"
    return json.loads(said)


def below(folder: Path) -> list[str]:
    """The paths of a folder and of everything in it."""
    return [str(folder), *(str(path) for path in folder.rglob("*"))]


def opened(paths: Sequence[str]) -> list[str]:
    """The paths that this process can read or list."""
    found: list[str] = []
    for path in paths:
        try:
            os.close(os.open(path, os.O_RDONLY))
        except OSError:
            continue
        found.append(path)
    return found


def connected(sockets: Path) -> list[str]:
    """The roles under which this process can connect to a Postgres."""
    found: list[str] = []
    for name in NAMES:
        try:
            psycopg.connect(f"postgresql://{name}@/postgres?host={sockets}").close()
        except psycopg.OperationalError:
            continue
        found.append(name)
    return found
