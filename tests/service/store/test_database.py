"""Broken connections are replaced before they are used, and their number is limited."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service.store.database import Database

_CUT = """
    SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
"""


def cut_all(url: str) -> int:
    """What a restart of Postgres does to connections; how many there were."""
    with psycopg.connect(url, autocommit=True) as own:
        return own.execute(_CUT).rowcount


def at_once(database: Database, number: int) -> list[int]:
    """The backends of so many transactions that are open together."""
    together = threading.Barrier(number)

    def backend(_: int) -> int:
        with database.transaction() as session:
            together.wait(100)
            return session.execute(text("SELECT pg_backend_pid()")).scalar_one()

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(backend, range(number)))


def test_connections_that_were_cut_are_replaced_unseen(database: Database) -> None:
    before = at_once(database, 3)

    assert cut_all(database.url) == 3
    assert not set(at_once(database, 3)) & set(before)


def test_a_connection_that_was_just_made_is_used_whatever_there_is_to_read_on_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while Postgres shuts down: the statement then says that it is away."""
    at_once(database, 1)
    monkeypatch.setattr("service.store.database._readable", lambda _: True)

    assert at_once(database, 1)


def test_a_statement_by_itself_goes_through_a_new_connection_too(database: Database) -> None:
    at_once(database, 1)
    cut_all(database.url)

    with database.statement() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_a_connection_cut_at_work_is_an_error_and_nothing_is_written(database: Database) -> None:
    def cut_at_work() -> None:
        with database.transaction() as session:
            session.execute(text("INSERT INTO owners (name) VALUES ('ann')"))
            cut_all(database.url)

    with pytest.raises(OperationalError):
        cut_at_work()
    with database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM owners")).scalar() == 0


def test_many_threads_share_the_connections_that_are_kept(database_url: str) -> None:
    database = Database(database_url, pool_size=2)

    def backend(_: int) -> int:
        with database.transaction() as session:
            return session.execute(text("SELECT pg_backend_pid() FROM pg_sleep(0.01)")).scalar_one()

    with ThreadPoolExecutor(8) as threads:
        backends = set(threads.map(backend, range(40)))
    database.close()

    assert len(backends) <= 2


def test_a_connection_is_told_to_notice_a_network_that_carries_nothing(database: Database) -> None:
    with database.statement() as connection:
        told = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]

    assert (told["tcp_user_timeout"], told["keepalives_idle"]) == ("25000", "10")
