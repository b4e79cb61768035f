"""Bringing a database's tables up to date."""

import importlib.util
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select

from service.store.database import make_engine

_LOCK = 0x4C5448
"""Postgres' advisory lock under which tables change: two servers may start at once."""


def migrate(database_url: str, revision: str = "head") -> None:
    """Apply every step up to `revision` that the database has not seen."""
    engine = make_engine(database_url, pool_size=1)
    try:
        with engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
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
