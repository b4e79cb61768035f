"""Who did what to what, and when: written in the transaction that does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

from service.store.tables import AuditEntry


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, with which key, in which request."""

    owner: str
    key_id: str | None = None
    request_id: str | None = None


def record(session: Session, actor: Actor, action: str, subject: str, **detail: Any) -> None:
    """Write an entry, such as ``job.cancel`` of ``job_...``."""
    entry = {
        "owner": actor.owner,
        "key_id": actor.key_id,
        "request_id": actor.request_id,
        "action": action,
        "subject": subject,
        "detail": detail,
    }
    session.connection().execute(insert(cast(Table, AuditEntry.__table__)), entry)


def page(session: Session, before: int | None = None, limit: int = 100) -> Sequence[AuditEntry]:
    """Entries, newest first, those before an entry's id if one is given."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    return session.scalars(query if before is None else query.where(AuditEntry.id < before)).all()
