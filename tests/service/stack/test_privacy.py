"""Other users of the machine cannot access a local stack."""

import os
import pwd
import stat
import subprocess
from pathlib import Path
from shutil import copytree

import psutil
import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import make_url

from service.settings import Settings
from service.stack.data_directory import DataDirectory
from service.stack.folders import give
from service.stack.offline import stopped_stack
from service.stack.parts.cluster import SERVICE, binary
from service.stack.parts.postgres import Postgres
from service.stack.process import server_user
from service.stack.process.group import Group
from service.store.migrate import migrate, up_to_date
from tests.service.stack.strangers import as_nobody, below, connected, opened

pytestmark = pytest.mark.system

LONG = "/".join(["a-long-name-of-a-folder"] * 6)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")


def _sockets(settings: Settings) -> Path:
    return Path(str(make_url(settings.database_url).query["host"]))


def _server(place: DataDirectory) -> psutil.Process:
    (pid_file,) = place.postgres.glob("data-*/postmaster.pid")
    return psutil.Process(int(pid_file.read_text().split()[0]))


@as_root
@pytest.mark.parametrize("name", ["data", LONG])
@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
def test_user_nobody_cannot_access_files_of_a_root_stack(
    open_folder: Path, name: str, existing: bool
) -> None:
    place = DataDirectory(open_folder / name)
    if existing:
        for folder in (place.directory, place.postgres, place.blobs, place.datasets, place.logs):
            folder.mkdir(parents=True)
            folder.chmod(0o755)
    with stopped_stack(place) as settings:
        place.make_admin_key()
        (place.blobs / "blob").write_text("masks")
        sockets, server = _sockets(settings), _server(place)
        paths = [*below(place.directory), *below(sockets), f"/proc/{server.pid}/fd"]
        assert len(paths) > 900
        assert as_nobody(lambda: opened(paths)) == []
        assert as_nobody(lambda: connected(sockets)) == []


@as_root
def test_postgres_refuses_user_nobody(open_folder: Path) -> None:
    """Postgres refuses it even if the folders are open."""
    place = DataDirectory(open_folder / "data")
    with stopped_stack(place) as settings:
        sockets = _sockets(settings)
        for folder in (place.directory, place.postgres, sockets):
            folder.chmod(0o755)
        (socket,) = sockets.glob(".s.PGSQL.*[0-9]")
        socket.chmod(0o777)
        assert as_nobody(lambda: connected(sockets)) == []


@as_root
def test_postgres_of_a_root_stack_runs_as_an_unprivileged_user(tmp_path: Path) -> None:
    place = DataDirectory(tmp_path / "data")
    with stopped_stack(place):
        server = _server(place)
        said = Path(f"/proc/{server.pid}/status").read_text()
        number = server.uids().real
    rights = dict(line.split(":\t") for line in said.splitlines() if line.startswith("Cap"))
    assert {int(rights[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    with pytest.raises(KeyError):
        pwd.getpwuid(number)


def test_the_service_role_has_no_rights_outside_its_database(tmp_path: Path) -> None:
    with stopped_stack(DataDirectory(tmp_path / "data")) as settings:
        migrate(settings.database_url)
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            role = "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s"
            assert connection.execute(role, (connection.info.user,)).fetchone() == (False,) * 3
            with pytest.raises(InsufficientPrivilege):
                connection.execute("COPY (SELECT 1) TO PROGRAM 'cat'")
            with pytest.raises(InsufficientPrivilege):
                connection.execute("SELECT pg_read_file('PG_VERSION')")


def _as_earlier_versions_left_it(place: DataDirectory) -> None:
    """An open directory with a server that trusts all users and a service that is superuser."""
    place.make()
    server = Postgres.at(place.postgres)
    with Group() as group:
        child = server.start(group, place.log("postgres"))
        with psycopg.connect(server.superuser_url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE lth")
            connection.execute(f"DROP ROLE {SERVICE}")
        migrate(server.superuser_url("lth"))
        with psycopg.connect(server.superuser_url("lth")) as connection:
            connection.execute("INSERT INTO owners (name) VALUES ('ada')")
        server.stop(child)
    (data,) = place.postgres.glob("data-*")
    (data / "pg_hba.conf").write_text("local all all trust\n")
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for folder in (data, place.postgres / "socket"):
            give(folder, nobody.pw_uid, nobody.pw_gid)
    for folder in (place.directory, place.postgres):
        folder.chmod(0o755)


def test_a_stack_of_an_earlier_version_is_closed_and_keeps_its_rows(open_folder: Path) -> None:
    place = DataDirectory(open_folder / "data")
    _as_earlier_versions_left_it(place)
    owned = """
        SELECT count(*) FILTER (WHERE pg_get_userbyid(relowner) <> current_user), count(*)
        FROM pg_class WHERE relnamespace = 'public'::regnamespace
    """
    routines = """
        SELECT count(*) FILTER (WHERE pg_get_userbyid(proowner) <> current_user)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """
    with stopped_stack(place) as settings:
        assert up_to_date(settings.database_url)
        with psycopg.connect(settings.database_url) as connection:
            assert connection.info.user == SERVICE
            assert connection.execute("SELECT name FROM owners").fetchall() == [("ada",)]
            foreign, tables = connection.execute(owned).fetchone() or (None, 0)
            assert foreign == 0
            assert tables > 20
            assert connection.execute(routines).fetchone() == (0,)
    assert "trust" not in (next(place.postgres.glob("data-*")) / "pg_hba.conf").read_text()
    for folder in (place.directory, place.postgres):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_socket_of_a_killed_stack_is_removed(tmp_path: Path) -> None:
    directory = tmp_path / LONG
    with Group() as group:
        killed = Postgres.at(directory, durable=False)
        killed.start(group, tmp_path / "log")
    assert killed.sockets.exists()
    with Group() as group:
        server = Postgres.at(directory, durable=False)
        child = server.start(group, tmp_path / "log")
        assert not killed.sockets.exists()
        assert stat.S_IMODE(server.sockets.stat().st_mode) == 0o700
        server.stop(child)
    assert not server.sockets.exists()


@as_root
def test_programs_that_only_root_can_run_are_copied_once(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The programs of a clone below /root."""
    monkeypatch.setattr(server_user, "_COPIES", open_folder / "cache" / "lth")
    account = server_user.server_account()
    assert account is not None
    installed = binary("initdb").parent
    package = installed.parents[1]
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            copytree(folder, hidden / folder.name)
    programs = hidden / installed.relative_to(package.parent)
    assert server_user.runnable.__wrapped__(installed, account) == installed
    copied = server_user.runnable.__wrapped__(programs, account)
    assert copied.is_relative_to(open_folder)
    made = copied.stat()
    assert server_user.runnable.__wrapped__(programs, account) == copied
    assert copied.stat() == made
    done = subprocess.run([copied / "postgres", "--version"], user=account.uid, check=True)
    assert done.returncode == 0
