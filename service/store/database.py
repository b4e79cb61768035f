"""The connection to Postgres: an engine, and transactions on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What says that Postgres cannot be reached, or has no connection for us: worth another try."""
CONNECTING: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""For libpq: a network that carries nothing any more breaks a connection within 25 seconds."""
_USED = "lth.used"


def make_engine(url: str, pool_size: int = 10) -> Engine:
    """An engine for a ``postgresql://`` address, through psycopg 3.

    A broken connection (Postgres restarted) is noticed before it is used.
    """
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        connect_args={**CONNECTING, "application_name": "lth"},
    )
    event.listen(engine, "checkout", _refuse_broken)
    return engine


def _refuse_broken(
    connection: psycopg.Connection[object], entry: ConnectionPoolEntry, _: object
) -> None:
    """Have a connection replaced, and all that are as old, if there is something to read on it.

    Nobody has asked it anything, so that can only be its end. A look costs no trip to Postgres.
    One that was just made is not looked at: SQLAlchemy would not make a third.
    """
    if _USED in entry.info and (connection.closed or _readable(connection)):
        raise InvalidatePoolError
    entry.info[_USED] = True


def _readable(connection: psycopg.Connection[object]) -> bool:
    look = poll()
    look.register(connection, POLLIN)
    return bool(look.poll(0))


class Database:
    """Transactions on one Postgres database. Safe to share between threads."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = url
        self._engine = make_engine(url, pool_size)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        self._autocommitting = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back if it raises.

        What was loaded in it stays readable afterwards.
        """
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """A connection on which each statement is a transaction: no trips to begin and end one."""
        with self._autocommitting.connect() as connection:
            yield connection

    def ping(self) -> None:
        """Ask Postgres for a sign of life.

        Raises:
            sqlalchemy.exc.OperationalError: when there is none.
        """
        with self._engine.connect() as connection:
            connection.execute(text("select 1"))

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()
