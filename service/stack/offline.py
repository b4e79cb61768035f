"""A stopped local stack, with only Postgres running."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.process_environment import forget_libpq_settings
from service.settings import Settings
from service.stack.data_directory import DataDirectory
from service.stack.environment import read_settings
from service.stack.parts.postgres import Postgres
from service.stack.process.group import Group
from service.stack.starting import DATABASE


@contextmanager
def stopped_stack(data: DataDirectory) -> Iterator[Settings]:
    """Start only Postgres in a data directory; stop it when the context ends.

    Raises:
        AlreadyRunning: if a stack runs there.
    """
    data.make()
    forget_libpq_settings()
    with data.locked(), Group() as group:
        server = Postgres.at(data.postgres)
        child = server.start(group, data.log("postgres"))
        try:
            server.create_database(DATABASE)
            yield read_settings(
                database_url=server.url(DATABASE),
                object_store_url=data.blobs.absolute().as_uri(),
            )
        finally:
            server.stop(child)
