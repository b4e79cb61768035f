"""The connection to Postgres: an engine, and transactions.

Postgres enforces timeouts for every connection (`Timeouts`). A process that is paused or
unreachable inside a transaction holds its locks only for seconds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from select import POLLIN, poll
from typing import Any

import psycopg
from psycopg.errors import IdleInTransactionSessionTimeout, LockNotAvailable, QueryCanceled
from psycopg.rows import scalar_row
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from service.store import ids

UNAVAILABLE = (OperationalError, InterfaceError, PoolTimeout)
"""Errors if Postgres is unavailable, or the pool has no connection: worth a retry."""
CONNECTING: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""For libpq: a connection breaks after 25 seconds if the network carries nothing."""
_KEEPALIVES = {
    "tcp_keepalives_idle": "10s",
    "tcp_keepalives_interval": "5s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25s",
}
"""For the server: it ends a session whose client is unreachable."""
_USED = "lth.used"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of a process's transactions, in seconds; 0 means no limit.

    Attributes:
        lock: the longest wait for a lock that another transaction holds.
        statement: the longest time for one statement.
        idle: the longest time without a statement. Then Postgres ends the session and releases its
            locks, because the process is paused or its host is unreachable.
        connection: the longest wait for a connection of the pool.
    """

    lock: float
    statement: float
    idle: float
    connection: float = 10

    def settings(self) -> dict[str, str]:
        """The timeouts as settings of a Postgres session, with keepalives of the server."""
        return {
            "lock_timeout": _milliseconds(self.lock),
            "statement_timeout": _milliseconds(self.statement),
            "idle_in_transaction_session_timeout": _milliseconds(self.idle),
            **_KEEPALIVES,
        }


API = Timeouts(lock=2, statement=15, idle=5, connection=5)
"""A request fails within seconds, so that it does not block a connection of the pool."""
WORKER = Timeouts(lock=8, statement=30, idle=5)
"""The lock timeout exceeds the idle timeout, so a claim outlasts a paused process."""
SWEEPER = Timeouts(lock=1, statement=30, idle=5)
"""A sweep skips locked rows, and tries them again a few seconds later."""
HOUSEKEEPING = Timeouts(lock=5, statement=600, idle=60)
"""Large deletions take long, and a blob is deleted inside a transaction."""
MIGRATION = Timeouts(lock=3, statement=0, idle=0)
"""A statement that waits for a table's lock blocks the readers behind it, so it retries."""
BACKUP = Timeouts(lock=60, statement=0, idle=0)
"""A backup keeps one transaction open while it copies all blobs."""


def make_engine(url: str, pool_size: int = 10, timeouts: Timeouts = API) -> Engine:
    """An engine for a ``postgresql://`` address, with psycopg 3.

    A broken connection, for example after a restart of Postgres, is detected before it is used.
    """
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeouts.connection,
        hide_parameters=True,
        connect_args={**CONNECTING, "application_name": "lth"},
    )

    def configure(connection: psycopg.Connection[object], _: ConnectionPoolEntry) -> None:
        connection.autocommit = True
        connection.execute(session_settings(timeouts))
        with connection.cursor(row_factory=scalar_row) as cursor:
            now = cursor.execute("SELECT clock_timestamp()").fetchone()
        assert isinstance(now, datetime), "this statement returns a moment"
        ids.heard(now)
        connection.autocommit = False

    event.listen(engine, "connect", configure)
    event.listen(engine, "checkout", _refuse_broken)
    event.listen(engine, "handle_error", _as_unavailable)
    return engine


def session_settings(timeouts: Timeouts) -> bytes:
    """The SQL that sets the timeouts of a session.

    Connection options would not work with poolers such as PgBouncer.
    """
    return "; ".join(
        f"SET {name} = '{value}'" for name, value in timeouts.settings().items()
    ).encode()


def timed_out(error: Exception) -> bool:
    """Whether Postgres ended a statement or a session because of a timeout."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, LockNotAvailable | QueryCanceled | IdleInTransactionSessionTimeout)


def _as_unavailable(context: ExceptionContext) -> None:
    """Treat the end of a session by its idle timeout as a lost connection.

    psycopg raises another class of errors for it than for other lost connections.
    """
    original = context.original_exception
    if isinstance(original, IdleInTransactionSessionTimeout):
        raise OperationalError(
            context.statement, context.parameters, original, connection_invalidated=True
        ) from original


def _milliseconds(seconds: float) -> str:
    return f"{round(1000 * seconds)}ms"


def _refuse_broken(
    connection: psycopg.Connection[object], entry: ConnectionPoolEntry, _: object
) -> None:
    """Replace a connection, and all others of the same age, if there is data to read on it.

    Without a pending query, only the end of the session sends data. The check needs no round trip.
    New connections are not checked, because SQLAlchemy would not make a third attempt.
    """
    if _USED in entry.info and (connection.closed or _readable(connection)):
        raise InvalidatePoolError
    entry.info[_USED] = True


def _readable(connection: psycopg.Connection[object]) -> bool:
    look = poll()
    look.register(connection, POLLIN)
    return bool(look.poll(0))


class Database:
    """Transactions on a Postgres database. Safe to share between threads."""

    def __init__(self, url: str, pool_size: int = 10, timeouts: Timeouts = API) -> None:
        self.url = url
        self._engine = make_engine(url, pool_size, timeouts)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        self._autocommitting = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back if the block raises.

        Loaded objects stay readable afterwards.
        """
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """A connection on which each statement is a transaction, which saves two round trips."""
        with self._autocommitting.connect() as connection:
            yield connection

    def ping(self) -> None:
        """Check that Postgres answers.

        Raises:
            sqlalchemy.exc.OperationalError: if it does not.
        """
        with self._engine.connect() as connection:
            connection.execute(text("select 1"))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
