"""Postgres enforces the timeouts of each process, and they are errors that can be retried."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from service.store.database import (
    API,
    BACKUP,
    HOUSEKEEPING,
    MIGRATION,
    SWEEPER,
    UNAVAILABLE,
    WORKER,
    Database,
    Timeouts,
    timed_out,
)
from service.store.migrate import migrate

SHORT = Timeouts(lock=0.2, statement=0.5, idle=0.3, connection=0.2)
_SHOW = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture
def short(database_url: str) -> Iterator[Database]:
    database = Database(database_url, 1, SHORT)
    yield database
    database.close()


@pytest.mark.parametrize(
    "timeouts", [API, WORKER, SWEEPER, HOUSEKEEPING, MIGRATION, BACKUP], ids=lambda t: str(t.lock)
)
def test_each_process_has_its_timeouts(database_url: str, timeouts: Timeouts) -> None:
    database = Database(database_url, 1, timeouts)
    with database.transaction() as session:
        shown = [
            session.scalar(text(f"SELECT setting FROM pg_settings WHERE name = '{name}'"))
            for name in _SHOW
        ]
    assert [int(value or 0) / 1000 for value in shown] == [
        timeouts.lock,
        timeouts.statement,
        timeouts.idle,
    ]
    database.close()


def test_the_session_of_a_paused_worker_ends_before_other_workers_time_out() -> None:
    assert WORKER.idle < WORKER.lock
    assert max(API.idle, WORKER.idle, SWEEPER.idle) < 10


def test_an_idle_transaction_times_out_and_the_next_one_gets_a_new_connection(
    short: Database,
) -> None:
    def pause() -> None:
        with short.transaction() as session:
            session.execute(text("SELECT 1"))
            time.sleep(1)
            session.execute(text("SELECT 1"))

    with pytest.raises(UNAVAILABLE) as caught:
        pause()
    assert timed_out(caught.value)
    short.ping()


def test_a_long_statement_times_out(short: Database) -> None:
    with pytest.raises(UNAVAILABLE) as caught, short.transaction() as session:
        session.execute(text("SELECT pg_sleep(60)"))
    assert timed_out(caught.value)


def test_a_wait_for_a_lock_times_out(short: Database, database_url: str) -> None:
    holder = Database(database_url, 1)
    with holder.transaction() as held:
        held.execute(text("SELECT pg_advisory_xact_lock(1)"))
        with pytest.raises(UNAVAILABLE) as caught, short.transaction() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(1)"))
    assert timed_out(caught.value)
    holder.close()


def test_a_wait_for_a_connection_times_out(short: Database) -> None:
    def take_another() -> None:
        with pytest.raises(UNAVAILABLE), short.transaction() as session:
            session.execute(text("SELECT 1"))

    with ThreadPoolExecutor(1) as threads, short.statement():
        threads.submit(take_another).result()


def test_a_migration_that_waits_for_a_table_blocks_readers_only_briefly(
    empty_database_url: str,
) -> None:
    """One reader keeps a lock on a table that a migration changes; other readers start and end."""
    migrate(empty_database_url, "0003")
    reader, others = (
        Database(empty_database_url, 1, BACKUP),
        Database(empty_database_url, 1, BACKUP),
    )
    longest, migrated = 0.0, threading.Event()

    def upgrade() -> None:
        migrate(empty_database_url)
        migrated.set()

    with ThreadPoolExecutor(1) as threads:
        with reader.transaction() as reading:
            reading.execute(text("SELECT count(*) FROM jobs"))
            done = threads.submit(upgrade)
            until = time.monotonic() + 2 * MIGRATION.lock
            while time.monotonic() < until:
                started = time.monotonic()
                with others.transaction() as session:
                    session.execute(text("SELECT count(*) FROM jobs"))
                longest = max(longest, time.monotonic() - started)
                assert not migrated.is_set()
        done.result()
    assert 1 < longest < 2 * MIGRATION.lock
    for database in (reader, others):
        database.close()
