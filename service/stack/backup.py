"""Everything a service holds, in one file: its database, and the blobs that it refers to.

Rows come after blobs, here as everywhere: the database is dumped first and the blobs are read
after it, so that every row of the dump has its blob; a restore puts the blobs back first.
"""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryDirectory
from typing import IO

from sqlalchemy import func, inspect, make_url, select

from service.settings import Settings
from service.stack.errors import PartsMissing, StackError
from service.stack.postgres import binary
from service.stack.surroundings import using_database
from service.store.blobs import Blob, Blobs
from service.store.database import Database, make_engine
from service.store.migrate import migrate
from service.store.tables import Job, StoredBlob

_DUMP = "database.dump"
_BLOBS = "blobs/"
_IN_MEMORY = 16 << 20


@dataclass(frozen=True)
class Saved:
    """What a backup holds."""

    jobs: int
    blobs: int
    bytes: int


def backup(settings: Settings, file: Path) -> Saved:
    """Write a backup; the service may run meanwhile. A half-written file does not stay.

    Only the user may read it: it holds what all owners have.

    Raises:
        StackError: when the file cannot be written, or the database does not answer.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise StackError(f"{file} cannot be written: {error.strerror}") from None
    try:
        with TemporaryDirectory() as folder, tarfile.open(part, "w") as archive:
            dump = Path(folder) / _DUMP
            _postgres("pg_dump", settings, "--format=custom", f"--file={dump}")
            saved = _add_blobs(archive, settings)
            archive.add(dump, _DUMP)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return saved


def restore(settings: Settings, file: Path) -> Saved:
    """Fill an empty service from a backup, then bring its tables up to date.

    Raises:
        StackError: when the service holds jobs already, or the file is no backup.
    """
    with using_database(settings.database_url):
        there = _jobs(settings.database_url)
    if there:
        raise StackError(
            f"the database holds {there} jobs already; a backup is restored into an empty one"
        )
    blobs = Blobs(settings.object_store_url, settings.object_store_options)
    restored = False
    with TemporaryDirectory() as folder, _opened(file) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                continue
            if member.name.startswith(_BLOBS):
                _put_back(blobs, member.name.removeprefix(_BLOBS), content)
            elif member.name == _DUMP:
                dump = Path(folder) / _DUMP
                with dump.open("wb") as copy:
                    shutil.copyfileobj(content, copy)
                clean = ("--clean", "--if-exists", "--no-owner", "--single-transaction")
                _postgres("pg_restore", settings, *clean, str(dump))
                restored = True
    if not restored:
        raise StackError(f"{file} is no whole backup: it has no {_DUMP}")
    migrate(settings.database_url)
    with closing(Database(settings.database_url, pool_size=1)) as database:
        return _saved(database)


def _add_blobs(archive: tarfile.TarFile, settings: Settings) -> Saved:
    blobs = Blobs(settings.object_store_url, settings.object_store_options)
    with closing(Database(settings.database_url, pool_size=1)) as database:
        with database.transaction() as session:
            digests = session.scalars(select(StoredBlob.digest)).all()
        for digest in digests:
            with SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
                for piece in blobs.stream(digest):
                    spool.write(piece)
                member = tarfile.TarInfo(f"{_BLOBS}{digest}")
                member.size = spool.tell()
                spool.seek(0)
                archive.addfile(member, spool)
        return _saved(database)


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


def _saved(database: Database) -> Saved:
    with database.transaction() as session:
        jobs = session.scalar(select(func.count()).select_from(Job)) or 0
        size = func.coalesce(func.sum(StoredBlob.size), 0)
        count, total = session.execute(select(func.count(), size).select_from(StoredBlob)).one()
    return Saved(jobs, count, int(total))


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
    """Run a client of Postgres; the password is not among its arguments, which all can read."""
    try:
        path = binary(program)
    except PartsMissing:
        found = shutil.which(program)
        if found is None:
            raise PartsMissing(
                f"{program} is needed: install PostgreSQL's client programs, or 'lth[embedded]'"
            ) from None
        path = Path(found)
    with using_database(settings.database_url):
        address = make_url(settings.database_url).set(drivername="postgresql")
    env = {**os.environ, "PGPASSWORD": address.password} if address.password else None
    where = address._replace(password=None).render_as_string()
    command = [path, f"--dbname={where}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise StackError(f"{program} failed: {done.stderr.strip()}")
