"""Broken connections are replaced before they are used, and their number is limited."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service.store.database import Database

_CLOSE = """
    SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
"""


def close_all(url: str) -> int:
    """Close all connections, as a restart of Postgres does; return their number."""
    with psycopg.connect(url, autocommit=True) as own:
        return own.execute(_CLOSE).rowcount


def concurrent_backends(database: Database, number: int) -> list[int]:
    """The backends of a number of concurrent transactions."""
    together = threading.Barrier(number)

    def backend(_: int) -> int:
        with database.transaction() as session:
            together.wait(100)
            return session.execute(text("SELECT pg_backend_pid()")).scalar_one()

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(backend, range(number)))


def test_broken_connections_are_replaced_without_an_error(database: Database) -> None:
    before = concurrent_backends(database, 3)

    assert close_all(database.url) == 3
    assert not set(concurrent_backends(database, 3)) & set(before)


def test_a_new_connection_is_used_even_if_it_has_data_to_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Postgres shuts down, every connection has data to read. The statement reports that."""
    concurrent_backends(database, 1)
    monkeypatch.setattr("service.store.database._readable", lambda _: True)

    assert concurrent_backends(database, 1)


def test_a_single_statement_also_gets_a_new_connection(database: Database) -> None:
    concurrent_backends(database, 1)
    close_all(database.url)

    with database.statement() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_a_connection_that_breaks_in_a_transaction_is_an_error_and_nothing_is_written(
    database: Database,
) -> None:
    def write_and_lose_the_connection() -> None:
        with database.transaction() as session:
            session.execute(text("INSERT INTO owners (name) VALUES ('ann')"))
            close_all(database.url)

    with pytest.raises(OperationalError):
        write_and_lose_the_connection()
    with database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM owners")).scalar() == 0


def test_many_threads_share_the_connections_of_the_pool(database_url: str) -> None:
    database = Database(database_url, pool_size=2)

    def backend(_: int) -> int:
        with database.transaction() as session:
            return session.execute(text("SELECT pg_backend_pid() FROM pg_sleep(0.01)")).scalar_one()

    with ThreadPoolExecutor(8) as threads:
        backends = set(threads.map(backend, range(40)))
    database.close()

    assert len(backends) <= 2


def test_connections_have_network_timeouts(database: Database) -> None:
    with database.statement() as connection:
        parameters = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]

    assert (parameters["tcp_user_timeout"], parameters["keepalives_idle"]) == ("25000", "10")
