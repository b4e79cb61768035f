"""Backup and restore: the database and its blobs in one file.

The dump and the list of blobs come from one snapshot of Postgres. No blob is deleted during a
backup, so all blobs of the snapshot can be read. A restore writes the blobs before the rows.
"""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryDirectory
from typing import IO, cast

from sqlalchemy import func, inspect, make_url, select
from sqlalchemy.orm import Session

from service.settings import Settings
from service.stack.environment import using_database
from service.stack.errors import PartsMissing, StackError
from service.stack.parts.cluster import binary
from service.stack.verify import Finding, Problem, findings_of
from service.store.blobs import deletion, identity
from service.store.blobs.object_store import Blob, BlobDamaged, BlobMissing, Blobs, StorageFailed
from service.store.database import BACKUP, Database, make_engine
from service.store.migrate import migrate
from service.store.tables import Job, StoredBlob

_DUMP = "database.dump"
_BLOBS = "blobs/"
_IN_MEMORY = 16 << 20


@dataclass(frozen=True)
class Saved:
    """The content of a backup.

    Attributes:
        findings: missing and damaged blobs, which are not in the backup.
    """

    jobs: int
    blobs: int
    bytes: int
    findings: tuple[Finding, ...] = ()


def backup(settings: Settings, file: Path) -> Saved:
    """Write a backup. The service may run. An incomplete file is deleted.

    Only the user may read the file, because it contains the data of all owners. Missing and damaged
    blobs are left out and reported.

    Raises:
        StackError: if the file cannot be written, or the database or the object store does not
            answer.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise StackError(f"{file} cannot be written: {error.strerror}") from None
    try:
        with (
            tarfile.open(part, "w") as archive,
            TemporaryDirectory() as folder,
            _without_deletions(settings) as database,
        ):
            dump = Path(folder) / _DUMP
            saved, digests = _dumped(settings, database, dump)
            blobs = Blobs(settings.object_store_url, settings.object_store_options)
            problems: dict[str, Problem] = {
                digest: problem for digest in digests if (problem := _add(archive, blobs, digest))
            }
            archive.add(dump, _DUMP)
            with database.transaction() as session:
                findings = findings_of(session, problems)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return replace(saved, blobs=saved.blobs - len(problems), findings=tuple(findings))


def restore(settings: Settings, file: Path) -> Saved:
    """Fill an empty service from a backup, then update its tables.

    Blobs that the backup lacks are reported.

    Raises:
        StackError: if the service has jobs, or the file is not a backup.
    """
    with using_database(settings.database_url):
        jobs = _jobs(settings.database_url)
    if jobs:
        raise StackError(
            f"the database has {jobs} jobs; a backup can be restored only into an empty one"
        )
    blobs = Blobs(settings.object_store_url, settings.object_store_options)
    restored, restored_blobs = False, set[str]()
    with TemporaryDirectory() as folder, _opened(file) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                continue
            if member.name.startswith(_BLOBS):
                digest = member.name.removeprefix(_BLOBS)
                _put_back(blobs, digest, content)
                restored_blobs.add(digest)
            elif member.name == _DUMP:
                dump = Path(folder) / _DUMP
                with dump.open("wb") as copy:
                    shutil.copyfileobj(content, copy)
                clean = ("--clean", "--if-exists", "--no-owner", "--single-transaction")
                _postgres("pg_restore", settings, *clean, str(dump))
                restored = True
    if not restored:
        raise StackError(f"{file} is not a complete backup: it has no {_DUMP}")
    migrate(settings.database_url)
    with (
        closing(Database(settings.database_url, 2, BACKUP)) as database,
        database.transaction() as session,
    ):
        identity.renew(database, blobs)
        used = deletion.used(session)
        lacking = {b.digest: "missing" for b in used if b.digest not in restored_blobs}
        findings = tuple(findings_of(session, cast(dict[str, Problem], lacking)))
        saved = _saved(session, used)
        return replace(saved, blobs=saved.blobs - len(lacking), findings=findings)


@contextmanager
def _without_deletions(settings: Settings) -> Iterator[Database]:
    """The database, without deletions of blobs in this context."""
    with (
        using_database(settings.database_url),
        closing(Database(settings.database_url, 2, BACKUP)) as database,
        database.transaction() as session,
    ):
        deletion.hold_off(session)
        yield database


def _dumped(settings: Settings, database: Database, dump: Path) -> tuple[Saved, list[str]]:
    """Dump the database; returns the content of the dump and the blobs to which it refers."""
    with database.transaction() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        snapshot = session.scalar(select(func.pg_export_snapshot()))
        to = ("--format=custom", f"--snapshot={snapshot}", f"--file={dump}")
        _postgres("pg_dump", settings, *to)
        blobs = deletion.used(session)
        return _saved(session, blobs), [blob.digest for blob in blobs]


def _add(archive: tarfile.TarFile, blobs: Blobs, digest: str) -> Problem | None:
    """Add a blob to the archive, unless it is missing or damaged."""
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        try:
            for piece in blobs.stream(digest):
                spool.write(piece)
        except BlobMissing:
            return "missing"
        except BlobDamaged:
            return "damaged"
        except StorageFailed as error:
            raise StackError(f"the blobs cannot be saved: {error}") from None
        member = tarfile.TarInfo(f"{_BLOBS}{digest}")
        member.size = spool.tell()
        spool.seek(0)
        archive.addfile(member, spool)
    return None


def _put_back(blobs: Blobs, digest: str, content: IO[bytes]) -> None:
    blob = Blob.of_file(content)
    if blob.digest != digest:
        raise StackError(f"the backup is damaged: the blob {digest} has the SHA-256 {blob.digest}")
    blobs.put_file(blob, content)


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:") as archive:
            yield archive
    except (OSError, tarfile.TarError) as error:
        raise StackError(f"{file} cannot be read as a backup: {error}") from None


def _saved(session: Session, blobs: Sequence[StoredBlob]) -> Saved:
    jobs = session.scalar(select(func.count()).select_from(Job)) or 0
    return Saved(jobs, len(blobs), sum(blob.size for blob in blobs))


def _jobs(database_url: str) -> int:
    engine = make_engine(database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(Job.__tablename__):
                return 0
            return connection.scalar(select(func.count()).select_from(Job)) or 0
    finally:
        engine.dispose()


def _postgres(program: str, settings: Settings, *arguments: str) -> None:
    """Run a client program of Postgres.

    The password is not an argument, which other users could read.
    """
    try:
        path = binary(program)
    except PartsMissing:
        found = shutil.which(program)
        if found is None:
            raise PartsMissing(
                f"{program} is missing; install PostgreSQL's client programs, or "
                "'lth-service[local]'"
            ) from None
        path = Path(found)
    with using_database(settings.database_url):
        address = make_url(settings.database_url).set(drivername="postgresql")
    if "sslpassword" in address.query:
        raise StackError(
            f"LTH_DATABASE_URL has the parameter sslpassword, which {program} cannot take without "
            "showing it to other users; use a key file without a password"
        )
    password = address.password or address.query.get("password")
    env = {**os.environ, "PGPASSWORD": str(password)} if password else None
    shown = address._replace(password=None).difference_update_query(["password"])
    where, mark, options = shown.render_as_string().partition("?")
    where += mark + options.replace("+", "%20")  # for libpq, a '+' is no space
    command = [path, f"--dbname={where}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise StackError(f"{program} failed: {done.stderr.strip()}")
