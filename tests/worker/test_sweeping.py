"""The sweeper is never held up by what it does beside."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from service.settings import Settings
from service.store.database import Database
from tests.worker.rig import eventually
from worker.sweeping import Sweeper

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def sweeper(database_url: str, broker_url: str, object_store_url: str) -> Iterator[Sweeper]:
    settings = Settings(
        database_url=database_url, broker_url=broker_url, object_store_url=object_store_url
    )
    sweeper = Sweeper(settings)
    yield sweeper
    sweeper._tidying.join()
    sweeper._database.close()
    sweeper._hints.close()


def count(database: Database, query: str) -> int:
    with database.transaction() as session:
        return session.scalar(text(query)) or 0


@pytest.mark.timeout(30)
def test_sweeps_go_on_while_what_is_old_is_deleted(sweeper: Sweeper, database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("INSERT INTO blobs (digest, size) VALUES ('b', 1)"))
        old = "INSERT INTO trunks (key, digest, used_at) VALUES ('t', 'b', '2020-01-01')"
        session.execute(text(old))

    with database.transaction() as busy:
        busy.execute(text("LOCK TABLE trunks"))
        sweeper.tidy()
        eventually(lambda: count(database, _WAITING) == 1)
        sweeper.tidy()
        sweeper.sweep()
        assert count(database, _WAITING) == 1, "one at a time"

    eventually(lambda: count(database, "SELECT count(*) FROM trunks") == 0)
