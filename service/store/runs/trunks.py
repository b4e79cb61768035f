"""Trunks by their key."""

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.store.tables import Trunk


def find(session: Session, key: str) -> str | None:
    """The digest of a trunk, if it exists; records that it was used."""
    return session.scalar(
        update(Trunk).where(Trunk.key == key).values(used_at=func.now()).returning(Trunk.digest)
    )


def save(session: Session, key: str, digest: str) -> None:
    """Store a trunk; the first of several equal ones stays."""
    session.execute(insert(Trunk).values(key=key, digest=digest).on_conflict_do_nothing())
