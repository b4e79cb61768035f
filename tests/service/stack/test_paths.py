"""A data directory may have any name, or is refused before anything is created."""

import os
import pwd
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
import redis
from sqlalchemy import make_url

from service.settings import Settings
from service.stack.backup import backup, restore
from service.stack.data_directory import DataDirectory
from service.stack.errors import StartFailed
from service.stack.offline import stopped_stack
from service.stack.parts.postgres import Postgres
from service.stack.parts.valkey import Valkey
from service.stack.process.group import Group
from service.store.blobs import datasets, saving
from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.migrate import migrate, up_to_date
from tests.service.stack.strangers import as_nobody

NAMES = {
    "marks": """My "Data" it's 100% %20 #1?a=b&c+d;e:f@g ~ $HOME `x` \\ *[ab] Zürich 東京""",
    "comma": "a, b",
    "long": "/".join(["a-long-name-of-a-folder"] * 20),
}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")


def _saved_and_restored(folder: Path, name: str) -> list[str]:
    """The findings of a backup of one data directory, restored into another one."""
    file = folder / f"{name.rpartition('/')[2]}.tar"
    with stopped_stack(DataDirectory(folder / name)) as settings:
        migrate(settings.database_url)
        _add_dataset(settings)
        saved = backup(settings, file)
    assert (saved.blobs, saved.findings) == (1, ())
    with stopped_stack(DataDirectory(folder / f"{name} 2")) as settings:
        restored = restore(settings, file)
        assert up_to_date(settings.database_url)
        assert Blobs(settings.object_store_url).get(_DIGEST) == b"masks"
    assert restored == saved
    return [problem for problem in (_of_valkey(folder / f"{name} 3"),) if problem]


_DIGEST = "07368dcb59c33d889e61393ebc16fa174951aa424bf07c4f64dbb974e417726a"


def _add_dataset(settings: Settings) -> None:
    blobs = Blobs(settings.object_store_url)
    with closing(Database(settings.database_url, pool_size=1)) as database:
        blob = saving.save(database, blobs, b"masks")
        with database.transaction() as session:
            datasets.add(session, "ada", "mine", blob, {}, 0)


def _of_valkey(folder: Path) -> str | None:
    """What is wrong with a Valkey in a folder; None if it works."""
    folder.mkdir(parents=True)
    server = Valkey(folder / "valkey")
    with Group() as group:
        child = server.start(group, folder / "log")
        with redis.Redis.from_url(server.url) as client:
            found = str(client.config_get("dir")["dir"])
        server.stop(child)
    return None if found == str(server.directory) else f"its folder is {found}"


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_data_directory_may_have_any_printable_name(open_folder: Path, name: str) -> None:
    assert _saved_and_restored(open_folder, name) == []


@as_root
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_an_ordinary_user_may_choose_the_same_names(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(open_folder, nobody.pw_uid, nobody.pw_gid)
    # The interpreter of the tests may be below /root; the stack starts its group killer with it.
    monkeypatch.setattr(sys, "executable", shutil.which("python3", path=os.defpath))
    assert as_nobody(lambda: _saved_and_restored(open_folder, name)) == []


def test_valkey_reads_only_its_own_configuration(tmp_path: Path) -> None:
    """The path of a configuration is a pattern, and this one matches the other folder, too."""
    assert _of_valkey(tmp_path / "dataz") is None
    assert _of_valkey(tmp_path / "data?") is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("line\nbreak", "control character"),
        ("tab\t", "control character"),
        ("bell\a", "control character"),
        (os.fsdecode(b"latin-\xe9"), "not in UTF-8"),
        ("/".join(["a" * 200] * 5), "bytes, more than 900"),
        ("a" * 256, "File name too long"),
    ],
)
def test_other_names_are_refused_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    place = DataDirectory(tmp_path / name)
    with pytest.raises(StartFailed, match=reason) as raised:
        place.make()
    assert "--data-dir" in str(raised.value)
    str(raised.value).encode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("named", ["data", "./data/../data", "link"])
def test_a_relative_path_from_the_environment_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LTH_DATA_DIR", named)
    with stopped_stack(DataDirectory.default()) as settings:
        migrate(settings.database_url)
    assert (tmp_path / "data" / "postgres").is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"data", "link"}


@pytest.mark.parametrize("name", ["t" * 60, "t,mp"])
def test_a_temporary_directory_that_cannot_have_a_socket_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    temporary = tmp_path / name
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with pytest.raises(StartFailed, match="TMPDIR"):
        Postgres.at(tmp_path / NAMES["long"])
    assert list(temporary.iterdir()) == []


def test_the_socket_is_in_the_data_directory_if_its_path_allows_it() -> None:
    for directory in (Path("/My Data/postgres"), Path("/" + "d" * 79)):
        server = Postgres.at(directory)
        assert server.sockets == directory / "socket"
        assert make_url(server.url("lth")).query["host"] == str(server.sockets)
