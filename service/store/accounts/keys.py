"""API keys: created, looked up, revoked. Only a hash of each key is stored."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from lth.client.tokens import TOKEN
from service.store import paging
from service.store.errors import NotThere
from service.store.ids import uuid7
from service.store.paging import Page
from service.store.tables import ApiKey, Owner, Role

CHANNEL = "lth_keys_revoked"
"""Postgres' channel that notifies API processes of revoked keys and changed teams."""
_OPERATORS = "LTH_ADMIN_KEY"
_USED_EVERY = timedelta(minutes=1)


def create(
    session: Session,
    token: str,
    *,
    owner: str,
    role: Role,
    name: str,
    expires_at: datetime | None = None,
) -> ApiKey:
    """Store a key; create its owner if there is none."""
    session.execute(upsert(Owner).values(name=owner).on_conflict_do_nothing())
    key = ApiKey(
        id=f"key_{uuid7().hex}",
        prefix=_prefix(token),
        hash=_hash(token),
        owner=owner,
        role=role,
        name=name,
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    session.refresh(key)
    return key


def find(session: Session, token: str) -> ApiKey | None:
    """The key of a token; None if it is not valid now."""
    if not TOKEN.fullmatch(token):
        return None
    key = session.scalar(
        select(ApiKey).where(
            ApiKey.prefix == _prefix(token),
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
        )
    )
    if key is None or not secrets.compare_digest(key.hash, _hash(token)):
        return None
    _touch(session, key)
    return key


def page(
    session: Session, owner: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[ApiKey]:
    """A page of keys, including revoked ones, optionally of one owner."""
    query = select(ApiKey)
    if owner is not None:
        query = query.where(ApiKey.owner == owner)
    return paging.page(session, query, ApiKey.id, cursor, limit)


def revoke(session: Session, key_id: str) -> ApiKey:
    """Revoke a key; revoking it again changes nothing.

    Raises:
        NotThere: if there is no such key.
    """
    key = session.get(ApiKey, key_id, with_for_update=True)
    if key is None:
        raise NotThere(f"there is no key '{key_id}'")
    if key.revoked_at is None:
        key.revoked_at = session.scalar(select(func.now()))
        session.flush()
        announce_change(session)
    return key


def ensure_operators(session: Session, token: str, owner: str = "admin") -> None:
    """Make the operator's key the only administrator's key of the operator.

    If another owner had this key, it becomes the operator's.
    """
    session.execute(upsert(Owner).values(name=owner).on_conflict_do_nothing())
    session.execute(
        update(ApiKey)
        .where(ApiKey.name == _OPERATORS, ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )
    announce_change(session)
    row = {
        "id": f"key_{uuid7().hex}",
        "prefix": _prefix(token),
        "hash": _hash(token),
        "owner": owner,
        "role": Role.ADMIN,
        "name": _OPERATORS,
        "expires_at": None,
        "revoked_at": None,
    }
    new = {column: value for column, value in row.items() if column != "id"}
    session.execute(
        upsert(ApiKey).values(row).on_conflict_do_update(index_elements=[ApiKey.prefix], set_=new)
    )


def announce_change(session: Session) -> None:
    """Have API processes look up keys again after the commit."""
    session.execute(select(func.pg_notify(CHANNEL, "")))


def _touch(session: Session, key: ApiKey) -> None:
    """Record that a key is in use, from time to time."""
    stale = or_(ApiKey.used_at.is_(None), ApiKey.used_at < func.now() - _USED_EVERY)
    if key.used_at is None or key.used_at < datetime.now(key.used_at.tzinfo) - _USED_EVERY:
        session.execute(
            update(ApiKey)
            .where(ApiKey.id == key.id, stale)
            .values(used_at=func.now())
            .execution_options(synchronize_session=False)
        )


def _prefix(token: str) -> str:
    match = TOKEN.fullmatch(token)
    assert match is not None, "not a token"
    return match[1]


def _hash(token: str) -> str:
    # A token has 256 random bits: a slow hash would protect nothing more.
    return hashlib.sha256(token.encode()).hexdigest()
