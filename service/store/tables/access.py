"""Owners, teams, keys, idempotency keys, and the audit log."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Now, Sorted, Table, words


class Role(enum.StrEnum):
    """The role of a key."""

    ADMIN = "admin"
    MEMBER = "member"
    READER = "reader"


class Owner(Table):
    """An owner, with quota and recent usage."""

    __tablename__ = "owners"

    name: Mapped[str] = mapped_column(primary_key=True)
    weight: Mapped[float] = mapped_column(default=1.0, server_default="1")
    """Share of the workers, relative to other owners."""
    max_running: Mapped[int | None]
    max_queued: Mapped[int | None]
    max_stored_bytes: Mapped[int | None] = mapped_column(BigInteger)
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Bytes of job files (artifacts, checkpoints, logs) and data sets; kept by triggers."""
    usage: Mapped[float] = mapped_column(default=0.0, server_default="0")
    """Device seconds, halved for each half-life since `usage_at`."""
    usage_at: Mapped[Now]
    created_at: Mapped[Now]


class Team(Table):
    """A team of owners, with its quota; None means unlimited."""

    __tablename__ = "teams"

    name: Mapped[str] = mapped_column(primary_key=True)
    weight: Mapped[float | None]
    """Share of the workers of all owners whose home it is; None: each owner has a share."""
    max_running: Mapped[int | None]
    max_queued: Mapped[int | None]
    max_stored_bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[Now]


class TeamMember(Table):
    """An owner is a member of a team."""

    __tablename__ = "team_members"

    team: Mapped[str] = mapped_column(ForeignKey("teams.name"), primary_key=True)
    owner: Mapped[str] = mapped_column(ForeignKey("owners.name"), primary_key=True)
    home: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Whether the owner's jobs count for this team's quota and share. At most one for an owner."""
    joined_at: Mapped[Now]

    __table_args__ = (
        Index("ix_team_members_owner", "owner"),
        Index("uq_team_members_home", "owner", unique=True, postgresql_where=text("home")),
    )


class ApiKey(Table):
    """A key; only its hash is stored."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(Sorted, primary_key=True)
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    """Its first characters, by which it is looked up."""
    hash: Mapped[str] = mapped_column(String(64))
    owner: Mapped[str] = mapped_column(ForeignKey("owners.name"), index=True)
    role: Mapped[Role] = mapped_column(words(Role))
    name: Mapped[str]
    created_at: Mapped[Now]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class IdempotentRequest(Table):
    """An idempotency key, and the job that it created."""

    __tablename__ = "idempotency"

    owner: Mapped[str] = mapped_column(ForeignKey("owners.name"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(
        Sorted,
        ForeignKey("jobs.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        index=True,
    )
    created_at: Mapped[Now] = mapped_column(index=True)


class AuditEntry(Table):
    """An entry of the audit log."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[Now]
    owner: Mapped[str]
    key_id: Mapped[str | None]
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str]
    request_id: Mapped[str | None]
    detail: Mapped[dict[str, Any]]

    __table_args__ = (Index("ix_audit_owner_id", "owner", "id"),)
