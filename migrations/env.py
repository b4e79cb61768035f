"""Alembic's entry: runs the steps on the connection or address that the configuration carries."""

from alembic import context
from sqlalchemy import Connection

from service.settings import Settings
from service.store.database import make_engine
from service.store.tables import Table


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Table.metadata,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _from_address() -> None:
    engine = make_engine(Settings().database_url)
    try:
        with engine.connect() as connection:
            _run(connection)
            connection.commit()
    finally:
        engine.dispose()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    _from_address()
