"""A backup contains everything, and a restore brings it back elsewhere."""

import stat
import tarfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, select, text

from lth.spec.document import parse_spec
from lth.spec.plan import plan
from service.settings import Settings
from service.stack.backup import _postgres as run_postgres
from service.stack.backup import backup, restore
from service.stack.errors import StackError
from service.store.accounts.audit import Actor
from service.store.blobs import datasets, deletion, saving
from service.store.blobs.object_store import Blob, Blobs
from service.store.database import Database
from service.store.jobs.submitting import Submission, submit
from service.store.tables import Job, StoredBlob

CONTENT = [b"", b"masks", bytes(range(256)) * 10_000]


@pytest.fixture
def service(database_url: str, object_store_url: str) -> Settings:
    """A service with one job and three data sets."""
    settings = Settings(database_url=database_url, object_store_url=object_store_url)
    blobs = Blobs(object_store_url)
    spec = parse_spec({"kind": "model", "name": "kept"})
    with closing(Database(database_url, pool_size=1)) as database:
        for content in CONTENT:
            blob = saving.save(database, blobs, content)
            with database.transaction() as session:
                datasets.add(session, "ada", "mine", blob, {}, 0)
        submit(database, Submission(by=Actor("ada"), spec=spec, runs=plan(spec)), settings)
    return settings


@pytest.fixture
def elsewhere(empty_database_url: str, tmp_path: Path) -> Settings:
    """An empty service, without tables."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return Settings(database_url=empty_database_url, object_store_url=folder.as_uri())


def test_a_restored_service_has_the_jobs_and_the_bytes(
    service: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "lth.tar"
    saved = backup(service, file)
    assert (saved.jobs, saved.blobs, saved.bytes) == (1, 3, sum(map(len, CONTENT)))
    assert restore(elsewhere, file) == saved
    blobs = Blobs(elsewhere.object_store_url)
    database = Database(elsewhere.database_url, pool_size=1)
    with closing(database), database.transaction() as session:
        assert session.scalars(select(Job.name)).all() == ["kept"]
        digests = session.scalars(select(StoredBlob.digest)).all()
    assert sorted(blobs.get(digest) for digest in digests) == sorted(CONTENT)


def test_a_backup_ignores_unused_blobs(
    service: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    """During an upload, the row of a blob exists before its bytes."""
    with closing(Database(service.database_url)) as database, database.transaction() as session:
        saving.enter(session, [Blob.of(b"on its way")])
    file = tmp_path / "lth.tar"
    assert backup(service, file).blobs == 3
    assert restore(elsewhere, file).blobs == 3


@pytest.mark.parametrize("problem", ["missing", "damaged"])
def test_a_backup_reports_a_blob_with_a_problem_and_saves_the_others(
    service: Settings, elsewhere: Settings, tmp_path: Path, problem: str
) -> None:
    lost = Blob.of(b"masks").digest
    path = Path(service.object_store_url.removeprefix("file://"), lost[:2], lost)
    if problem == "missing":
        path.unlink()
    else:
        path.write_bytes(b"MASKS")
    file = tmp_path / "lth.tar"
    saved = backup(service, file)
    [finding] = saved.findings
    [use] = finding.uses
    assert (finding.digest, finding.problem, use.kind) == (lost, problem, "dataset")
    assert saved.blobs == 2

    restored = restore(elsewhere, file)
    [finding] = restored.findings
    assert (finding.digest, finding.problem) == (lost, "missing")
    assert (restored.jobs, restored.blobs) == (1, 2)


def test_a_backup_is_consistent_during_deletions(
    service: Settings, elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the blobs are read, data sets are deleted and the housekeeping runs."""
    blobs = Blobs(service.object_store_url)
    unused = Blob.of(b"unused")

    def change_and_dump(program: str, settings: Settings, *arguments: str) -> None:
        monkeypatch.setattr("service.stack.backup._postgres", run_postgres)
        with closing(Database(service.database_url)) as database:
            with database.transaction() as session:
                session.execute(text("DELETE FROM datasets"))
                saving.enter(session, [unused])
            assert deletion.collect(database, blobs, timedelta(0)) == 0
            with database.transaction() as session:
                assert not deletion.discard(session, blobs, unused.digest)
        run_postgres(program, settings, *arguments)

    monkeypatch.setattr("service.stack.backup._postgres", change_and_dump)
    file = tmp_path / "lth.tar"
    assert backup(service, file).blobs == 3
    assert restore(elsewhere, file).blobs == 3
    with closing(Database(service.database_url)) as database:
        assert deletion.collect(database, blobs, timedelta(0)) == 4, "it was put off until then"


def test_only_the_user_may_read_a_backup(service: Settings, tmp_path: Path) -> None:
    file = tmp_path / "lth.tar"
    (tmp_path / "lth.tar.part").touch(mode=0o666)  # of a backup that was killed
    backup(service, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_service_with_jobs_is_not_overwritten(service: Settings, tmp_path: Path) -> None:
    file = tmp_path / "lth.tar"
    backup(service, file)
    with pytest.raises(StackError, match="has 1 jobs"):
        restore(service, file)


def test_a_damaged_blob_is_not_restored(
    service: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "lth.tar"
    backup(service, file)
    content = file.read_bytes()
    file.write_bytes(content.replace(b"masks" + b"\0" * 11, b"tasks" + b"\0" * 11, 1))
    with pytest.raises(StackError, match="damaged"):
        restore(elsewhere, file)


def test_a_file_that_is_not_a_backup_is_refused(elsewhere: Settings, tmp_path: Path) -> None:
    file = tmp_path / "lth.tar"
    file.write_bytes(b"something else")
    with pytest.raises(StackError, match="cannot be read as a backup"):
        restore(elsewhere, file)
    with tarfile.open(file, "w"):
        pass
    with pytest.raises(StackError, match="not a complete backup"):
        restore(elsewhere, file)


def test_a_truncated_backup_is_refused(
    service: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "lth.tar"
    backup(service, file)
    file.write_bytes(file.read_bytes()[:-30_000])  # within the dump, which is last
    with pytest.raises(StackError, match="cannot be read as a backup"):
        restore(elsewhere, file)


def test_links_and_outside_paths_in_a_backup_are_ignored(
    elsewhere: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "lth.tar"
    with tarfile.open(file, "w") as archive:
        link = tarfile.TarInfo("blobs/" + "0" * 64)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        outside = tarfile.TarInfo("../outside")
        archive.addfile(outside)
    with pytest.raises(StackError, match="not a complete backup"):
        restore(elsewhere, file)
    assert not (tmp_path.parent / "outside").exists()


def test_a_failed_backup_leaves_no_file(service: Settings, tmp_path: Path) -> None:
    broken = service.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})
    with pytest.raises(StackError, match="cannot be used"):
        backup(broken, tmp_path / "lth.tar")
    assert not list(tmp_path.glob("lth.tar*"))


def test_a_backup_reports_a_file_that_cannot_be_written(service: Settings, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"lth\.tar cannot be written: No such file or directory"):
        backup(service, tmp_path / "nowhere" / "lth.tar")


def test_no_password_is_an_argument_of_a_process(
    service: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tmp_path / "arguments"
    program = tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$@" "$PGPASSWORD" >{written}\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setattr("service.stack.backup.binary", lambda name: program)
    url = make_url(service.database_url).set(password="hidden word")
    known = url.render_as_string(hide_password=False)
    with pytest.raises(StackError, match="pg_dump failed"):
        backup(service.model_copy(update={"database_url": known}), tmp_path / "lth.tar")
    *arguments, first, last = written.read_text().split()
    assert any(argument.startswith("--dbname=postgresql://lth_service@") for argument in arguments)
    assert (first, last) == ("hidden", "word")
    assert "hidden" not in "".join(arguments)
