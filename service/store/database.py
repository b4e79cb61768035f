"""The connection to Postgres: an engine, and transactions on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.orm import Session, sessionmaker


def make_engine(url: str, pool_size: int = 10) -> Engine:
    """An engine for a ``postgresql://`` address, through psycopg 3.

    A broken connection (Postgres restarted) is noticed before it is used.
    """
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "application_name": "lth"},
    )


class Database:
    """Transactions on one Postgres database. Safe to share between threads."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = url
        self._engine = make_engine(url, pool_size)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back if it raises.

        What was loaded in it stays readable afterwards.
        """
        with self._sessions.begin() as session:
            yield session

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
