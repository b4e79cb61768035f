"""The data directory: locked by one process, announced to the command line, private."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lth.client.errors import Unreachable
from lth.client.local_stack import Running
from lth.client.locating import Address, locate
from service.stack.data_directory import DataDirectory
from service.stack.errors import AlreadyRunning, StartFailed

_HOLD = """
import sys, pathlib
from service.stack.data_directory import DataDirectory
with DataDirectory(pathlib.Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def _running(server: str = "http://127.0.0.1:8000", pid: int | None = None) -> Running:
    return Running(pid or os.getpid(), server, "postgresql:///", "redis://", "file:///", "secret")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataDirectory:
    monkeypatch.setenv("LTH_DATA_DIR", str(tmp_path / "data"))
    place = DataDirectory.default()
    place.make()
    return place


def test_a_directory_is_locked_until_its_process_ends(place: DataDirectory) -> None:
    command = [sys.executable, "-c", _HOLD, str(place.directory)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        place.announce(_running(pid=holder.pid))
        with pytest.raises(AlreadyRunning, match=rf"127\.0\.0\.1:8000 \(process {holder.pid}\)"):
            place.locked().__enter__()
        holder.kill()
    with place.locked():
        pass


def test_only_the_user_can_read_secrets(place: DataDirectory) -> None:
    place.announce(_running())
    place.make_admin_key()
    for folder in (place.directory, place.blobs, place.datasets, place.log("api").parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in (place.directory / "stack.json", place.admin_key):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_open_folders_are_closed_to_other_users(place: DataDirectory) -> None:
    """Earlier versions and operators may have created open folders."""
    place.make_admin_key()
    folders = [
        place.directory,
        *(place.directory / name for name in ("blobs", "datasets", "logs", "postgres", "valkey")),
    ]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    place.make()
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_a_shared_folder_is_refused_and_unchanged(tmp_path: Path) -> None:
    """For example, closing /tmp or a home directory would lock out its other users."""
    (tmp_path / "somebody's file").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(StartFailed, match=r"files that no stack wrote; choose an empty"):
        DataDirectory(tmp_path).make()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert [file.name for file in tmp_path.iterdir()] == ["somebody's file"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("name", [".", "blobs", "logs"])
def test_a_folder_of_another_user_is_refused(place: DataDirectory, name: str) -> None:
    folder = place.directory / name
    os.chown(folder, 12345, 12345)
    with pytest.raises(StartFailed, match=r"belongs to another user \(number 12345\)"):
        place.make()


def test_the_key_is_created_once(place: DataDirectory) -> None:
    assert place.make_admin_key() == place.make_admin_key() == place.read_admin_key()


def test_an_announcement_of_a_dead_process_is_ignored(place: DataDirectory) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    place.announce(_running(pid=dead.pid))
    assert place.running() is None
    place.announce(_running())
    assert place.running() == _running()


def test_the_client_finds_the_stack_on_this_machine_and_its_key(place: DataDirectory) -> None:
    with pytest.raises(Unreachable, match="lth up"):
        locate()
    place.announce(_running())
    key = place.make_admin_key()
    assert locate() == Address("http://127.0.0.1:8000", key, "secret")
    assert locate("http://127.0.0.1:8000/") == Address("http://127.0.0.1:8000", key, "secret")


def test_the_local_key_is_not_sent_to_another_server(place: DataDirectory) -> None:
    place.announce(_running())
    place.make_admin_key()
    assert locate("https://elsewhere.example").key is None
    assert locate("https://elsewhere.example", "lth_mine").key == "lth_mine"
