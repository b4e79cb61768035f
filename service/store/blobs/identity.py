"""The identity of a service. Postgres and the object store hold the same one.

A process with another object store would save files that no other process can fetch.
"""

from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.tables import ServiceIdentity


class WrongStore(Exception):
    """The object store does not belong to this service."""


def establish(database: Database, blobs: Blobs) -> None:
    """Create the identity of a service if it has none, and compare it with the object store.

    A database without an identity adopts the identity of the object store.

    Raises:
        WrongStore: if the identities differ, or only the database has one.
        StorageFailed: if the object store does not answer.
    """
    with database.transaction() as session:
        if _of(session) is None:
            found = blobs.identity()
            row = insert(ServiceIdentity).values(id=found or uuid4().hex)
            session.execute(row.on_conflict_do_nothing())
            if found is None:
                identity = _of(session)
                assert identity is not None, "it was written just now"
                blobs.identify(identity)
    compare(database, blobs)


def compare(database: Database, blobs: Blobs) -> bool:
    """Check that the object store belongs to the service.

    Returns:
        Whether it does; False while the service has no identity yet.

    Raises:
        WrongStore: if it belongs to another service.
        StorageFailed: if the object store does not answer.
    """
    with database.transaction() as session:
        expected = _of(session)
    found = blobs.identity()
    if expected is None or found == expected:
        return expected is not None
    raise WrongStore(
        f"LTH_OBJECT_STORE_URL names another object store than that of the service: "
        f"{blobs.url} has {f'the identity {found}' if found else 'no identity'}, the database "
        f"expects {expected}; set the same LTH_OBJECT_STORE_URL for all processes"
    )


def renew(database: Database, blobs: Blobs) -> None:
    """Write the identity of the database into an object store that was filled from a backup."""
    with database.transaction() as session:
        expected = _of(session)
    if expected is not None:
        blobs.identify(expected)


def _of(session: Session) -> str | None:
    return session.scalar(select(ServiceIdentity.id))
