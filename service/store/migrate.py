"""Bringing a database's tables up to date."""

import importlib.util
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select

from service.store.database import make_engine

_LOCK = 0x4C5448
"""Postgres' advisory lock under which tables change: two servers may start at once."""
_ASKED_EVERY = 0.2
"""Seconds. Who waited in one statement would keep an index from being built beside the writers."""


def migrate(database_url: str, revision: str = "head") -> None:
    """Apply every step up to `revision` that the database has not seen, each by itself."""
    engine = make_engine(database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            while not connection.scalar(select(func.pg_try_advisory_lock(_LOCK))):
                connection.rollback()
                time.sleep(_ASKED_EVERY)
            connection.commit()
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        engine.dispose()


def up_to_date(database_url: str) -> bool:
    """Whether the database has seen every step."""
    engine = make_engine(database_url, pool_size=1)
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
    config.set_main_option("script_location", str(Path(found.origin).parent))
    return config
