"""Updates the tables of a database."""

import importlib.util
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import OperationalError

from service.store.database import MIGRATION, make_engine, timed_out

_LOCK = 0x4C5448
"""An advisory lock for migrations, because two servers may start at once."""
_ASKED_EVERY = 0.2
"""Seconds between attempts to get the lock.

A waiting statement would block concurrent index builds.
"""
_LOCKED_SECONDS = 600
"""How long a step retries to get its locks."""

log = logging.getLogger(__name__)


def migrate(database_url: str, revision: str = "head") -> None:
    """Apply all steps up to `revision` that the database does not have, one transaction each.

    A step that waits for a table's lock blocks all other statements on that table. So it gives up
    after `MIGRATION.lock` seconds, lets them pass, and tries again.

    Raises:
        sqlalchemy.exc.OperationalError: if a table stays locked for ten minutes.
    """
    engine = make_engine(database_url, 1, MIGRATION)
    try:
        with engine.connect() as connection:
            while not connection.scalar(select(func.pg_try_advisory_lock(_LOCK))):
                connection.rollback()
                time.sleep(_ASKED_EVERY)
            connection.commit()
            config = _config()
            config.attributes["connection"] = connection
            _upgrade(config, connection, revision)
    finally:
        engine.dispose()


@contextmanager
def unlimited_lock_wait(connection: Connection) -> Iterator[None]:
    """Disable the lock timeout in this block, for an index that is built ``CONCURRENTLY``.

    Such a build waits for old transactions. Readers and writers do not wait for the build.
    """
    before = connection.scalar(text("SHOW lock_timeout"))
    connection.execute(text("SET lock_timeout = 0"))
    try:
        yield
    finally:
        connection.execute(text(f"SET lock_timeout = '{before}'"))


def _upgrade(config: Config, connection: Connection, revision: str) -> None:
    until = time.monotonic() + _LOCKED_SECONDS
    while True:
        try:
            command.upgrade(config, revision)
        except OperationalError as error:
            if not timed_out(error) or time.monotonic() > until:
                raise
            log.warning("a table is in use; the step is tried again")
            connection.rollback()
            time.sleep(_ASKED_EVERY)
        else:
            return


def up_to_date(database_url: str) -> bool:
    """Whether the database has all steps."""
    engine = make_engine(database_url, 1)
    try:
        with engine.connect() as connection:
            seen = MigrationContext.configure(connection).get_current_heads()
    finally:
        engine.dispose()
    return set(seen) == set(ScriptDirectory.from_config(_config()).get_heads())


def _config() -> Config:
    found = importlib.util.find_spec("migrations")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("the package 'migrations' is not installed beside 'service'")
    config = Config()
    folder = str(Path(found.origin).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config
