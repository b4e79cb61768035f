"""PostgreSQL from a wheel, as a child process with a Unix socket."""

import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg.sql import SQL, Identifier

from service.process_environment import known_environment
from service.stack.errors import StartFailed
from service.stack.folders import PRIVATE, give, private_folder
from service.stack.ownership import transfer_ownership
from service.stack.parts.cluster import SERVICE, SUPERUSER, VERSION, prepare, program, reachable
from service.stack.process.group import Child, Group
from service.stack.process.server_user import Account, server_account

_LONGEST_SOCKETS = 87
"""The longest path of a folder for sockets. A socket's path has 14 bytes more, and may have 107
bytes on Linux and 103 on macOS."""
_TEMPORARY = "lth-socket-"
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_THROWAWAY = ["fsync=off", "full_page_writes=off"]
"""Settings for tests: data survives a crash of the server, but not of the machine."""


@dataclass(frozen=True)
class Postgres:
    """A server: its folders, and its process after the start.

    Attributes:
        directory: the data; created at the first start.
        sockets: folder of its socket; only the stack's user and the server have access.
        durable: whether a commit survives a crash of the machine.
    """

    directory: Path
    sockets: Path
    durable: bool = True

    @classmethod
    def at(cls, directory: Path, *, durable: bool = True) -> Self:
        """A server in `directory`.

        Its socket is there too. If that path cannot be the path of a socket, it is in a private
        folder of the system's directory for temporary files.

        Raises:
            StartFailed: if the path of that directory cannot be the path of a socket either.
        """
        sockets = directory / "socket"
        if _can_have_socket(sockets):
            return cls(directory, sockets, durable)
        temporary = Path(tempfile.gettempdir())
        if not _can_have_socket(temporary / f"{_TEMPORARY}12345678"):
            raise StartFailed(
                f"PostgreSQL can have its socket neither in {directory} nor in {temporary}, "
                "because each path is too long or has a comma; choose another data directory "
                "with --data-dir, or a shorter TMPDIR"
            )
        return cls(directory, Path(tempfile.mkdtemp(prefix=_TEMPORARY)), durable)

    def start(self, group: Group, log: Path) -> Child:
        """Start the server, and wait until it answers.

        Raises:
            StartFailed: if it does not start; the message ends with its log.
        """
        account = server_account()
        data = self.directory / f"data-{VERSION}"
        private_folder(self.directory)
        prepare(data, account, durable=self.durable)
        _forget_dead_postmaster(data / "postmaster.pid")
        self._make_sockets(account)
        settings = ["listen_addresses=", "max_connections=200"]
        settings += [] if self.durable else _THROWAWAY
        options = [word for setting in settings for word in ("-c", setting)]
        with reachable(data, account) as cluster, reachable(self.sockets, account) as sockets:
            child = group.spawn(
                "postgres",
                [program("postgres", account), "-D", cluster[0], "-k", sockets[0], *options],
                log,
                env=known_environment(os.environ),
                account=account,
                inherited=(*cluster[1], *sockets[1]),
            )
        child.wait_until(self._answers, _START_SECONDS)
        self._make_role()
        return child

    def stop(self, child: Child) -> None:
        """Shut down the server: it rolls back open transactions and writes a checkpoint."""
        child.stop(signal.SIGINT, _STOP_SECONDS)
        self._remove_temporary_sockets()

    def url(self, database: str) -> str:
        """The address of a database for the service, for settings, psycopg and ``pg_dump``.

        The role has rights only in the databases that it owns.
        """
        return self._address(SERVICE, database)

    def superuser_url(self, database: str) -> str:
        """The address of a database for the owner of the cluster."""
        return self._address(SUPERUSER, database)

    def create_database(self, name: str, *, template: str = "template1") -> None:
        """Create a database of the service, unless it exists; take over one of the superuser."""
        with psycopg.connect(self.superuser_url("postgres"), autocommit=True) as connection:
            found = connection.execute(
                "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (name,)
            ).fetchone()
            if found is None:
                create = SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
                names = (Identifier(word) for word in (name, SERVICE, template))
                connection.execute(create.format(*names))
        if found is not None and found != (SERVICE,):
            transfer_ownership(self.superuser_url(name), SERVICE)

    def drop_database(self, name: str) -> None:
        """Drop a database, even if there are connections to it."""
        with psycopg.connect(self.superuser_url("postgres"), autocommit=True) as connection:
            drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(Identifier(name)))

    def _address(self, role: str, database: str) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets))}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.superuser_url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_role(self) -> None:
        with psycopg.connect(self.superuser_url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (SERVICE,))
            if found.fetchone() is None:
                connection.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(SERVICE)))

    @property
    def _temporary_sockets(self) -> Path:
        """A link to the folder of the socket, if it is a temporary one."""
        return self.directory / "temporary-socket"

    def _make_sockets(self, account: Account | None) -> None:
        """Create the folder of the socket; delete that of a killed stack."""
        link = self._temporary_sockets
        if link.is_symlink() and link.readlink() != self.sockets:
            self._remove_temporary_sockets()
        if self.sockets.name.startswith(_TEMPORARY) and not link.is_symlink():
            link.symlink_to(self.sockets)
        self.sockets.mkdir(mode=PRIVATE, exist_ok=True)
        if account is not None:
            give(self.sockets, account.uid, account.gid)
        self.sockets.chmod(PRIVATE)

    def _remove_temporary_sockets(self) -> None:
        link = self._temporary_sockets
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)
            link.unlink()


def _can_have_socket(folder: Path) -> bool:
    """Whether libpq can use a socket in a folder; it takes a comma for the end of the path."""
    return "," not in str(folder) and len(os.fsencode(folder)) <= _LONGEST_SOCKETS


def _forget_dead_postmaster(pid_file: Path) -> None:
    """Delete the pid file of a killed server if another process has its number now.

    Postgres would take that process for a running server and refuse to start. The caller holds the
    lock of the data directory.
    """
    if not pid_file.exists():
        return
    try:
        name = psutil.Process(int(pid_file.read_text().split()[0])).name()
    except (psutil.NoSuchProcess, ValueError, IndexError):
        return
    if not name.startswith("postgres"):
        pid_file.unlink()
