"""The audit log. An entry is written in the transaction of the change."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store import paging
from service.store.paging import Page
from service.store.tables import AuditEntry
from service.store.writing import Row, write


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor of a change: owner, key and request."""

    owner: str
    key_id: str | None = None
    request_id: str | None = None


def record(session: Session, actor: Actor, action: str, subject: str, **detail: Any) -> None:
    """Write an entry, such as ``job.cancel`` of ``job_...``."""
    write(session.connection(), {AuditEntry: [entry(actor, action, subject, **detail)]})


def entry(actor: Actor, action: str, subject: str, **detail: Any) -> Row:
    """An entry that is written together with its change."""
    return {
        "owner": actor.owner,
        "key_id": actor.key_id,
        "request_id": actor.request_id,
        "action": action,
        "subject": subject,
        "detail": detail,
    }


def page(session: Session, cursor: str | None = None, limit: int = 50) -> Page[AuditEntry]:
    """A page of entries (`service.store.paging`)."""
    return paging.page(session, select(AuditEntry), AuditEntry.id, cursor, limit)
