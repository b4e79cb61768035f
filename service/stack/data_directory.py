"""The data directory of a local stack: its files, and access to it."""

import fcntl
import json
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lth.client.local_stack import (
    ADMIN_KEY,
    ANNOUNCEMENT,
    Running,
    default_directory,
    read_admin_key,
    read_running,
)
from lth.client.tokens import new_token
from service.stack.errors import AlreadyRunning, StartFailed
from service.stack.folders import PRIVATE, private_folder

_SIGNING = "signing-secret"
_NAMES = frozenset(
    {
        "postgres",
        "valkey",
        "blobs",
        "datasets",
        "logs",
        ADMIN_KEY,
        _SIGNING,
        "lock",
        ANNOUNCEMENT,
    }
)
"""The names of all files of a data directory."""
_LONGEST_PATH = 900
"""The longest path in bytes; PostgreSQL cuts paths of its files at 1,023 bytes."""


@dataclass(frozen=True)
class DataDirectory:
    """A data directory."""

    directory: Path

    @classmethod
    def default(cls) -> "DataDirectory":
        """See `lth.client.local_stack.default_directory`."""
        return cls(default_directory())

    @classmethod
    def named(cls, directory: Path | None) -> "DataDirectory":
        """The data directory that a user names on the command line, or the default."""
        return cls(directory.absolute()) if directory else cls.default()

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"

    @property
    def valkey(self) -> Path:
        return self.directory / "valkey"

    @property
    def blobs(self) -> Path:
        return self.directory / "blobs"

    @property
    def datasets(self) -> Path:
        return self.directory / "datasets"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def admin_key(self) -> Path:
        return self.directory / ADMIN_KEY

    def read_admin_key(self) -> str | None:
        """The administrator's key, if there is one."""
        return read_admin_key(self.directory)

    def make_admin_key(self) -> str:
        """The administrator's key, created at the first start; only the user may read its file."""
        return self.read_admin_key() or self._new_secret(self.admin_key)

    def make_signing_secret(self) -> str:
        """The secret that signs webhooks, created at the first start; only the user may read it."""
        file = self.directory / _SIGNING
        return file.read_text().strip() if file.exists() else self._new_secret(file)

    def _new_secret(self, file: Path) -> str:
        secret = new_token()
        new = file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(secret)
        new.replace(file)
        return secret

    def log(self, name: str) -> Path:
        """The log file of a part."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Create the folders, and close existing ones to other users.

        Raises:
            StartFailed: if that fails, if the path cannot be used, or if other users use the
                directory for other files.
        """
        if problem := _problem(str(self.directory)):
            raise StartFailed(
                f"{str(self.directory)!r} cannot be a data directory: its path {problem}; choose "
                "another one with --data-dir or LTH_DATA_DIR"
            )
        if _shared(self.directory):
            raise StartFailed(
                f"other users can access {self.directory}, and it has files that no stack wrote; "
                "choose an empty directory with --data-dir or LTH_DATA_DIR"
            )
        private_folder(self.directory)
        for folder in (self.blobs, self.datasets, self.logs):
            private_folder(folder)
        for folder in (self.postgres, self.valkey):
            if folder.exists():
                private_folder(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the directory for this process; the kernel releases the lock when the process ends.

        Raises:
            AlreadyRunning: if another process holds it.
        """
        with (self.directory / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                running = self.running()
                at = f" at {running.server} (process {running.pid})" if running else ""
                raise AlreadyRunning(
                    f"a stack runs on {self.directory}{at}; use it, stop it, or choose another "
                    "directory with --data-dir"
                ) from None
            yield

    def announce(self, running: Running) -> None:
        """Write the announcement; only the user may read it, because it contains passwords."""
        new = self._announcement.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(asdict(running), indent=2))
        new.replace(self._announcement)

    def retract(self) -> None:
        """Delete the announcement."""
        self._announcement.unlink(missing_ok=True)

    def running(self) -> Running | None:
        """The announcement of the stack on this directory, if its process is alive."""
        return read_running(self.directory)

    @property
    def _announcement(self) -> Path:
        return self.directory / ANNOUNCEMENT


def _problem(path: str) -> str | None:
    """Why the parts of a stack cannot use a path; None if they can."""
    if any(unicodedata.category(character) == "Cc" for character in path):
        return "contains a control character, such as a line break"
    name = os.fsencode(path)
    try:
        known = name.decode() == path
    except UnicodeDecodeError:
        known = False
    if not known:
        return "is not in UTF-8"
    if len(name) > _LONGEST_PATH:
        return f"has {len(name)} bytes, more than {_LONGEST_PATH}"
    return None


def _shared(directory: Path) -> bool:
    """Whether other users have access to a folder that has files of other programs."""
    try:
        mode = stat.S_IMODE(directory.stat().st_mode)
        return mode != PRIVATE and any(
            file.name.removesuffix(".new") not in _NAMES for file in directory.iterdir()
        )
    except OSError:
        return False
