"""Blobs in the object store, and uploaded data sets."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Now, Sorted, Table


class StoredBlob(Table):
    """A blob by its SHA-256. All references to it are foreign keys."""

    __tablename__ = "blobs"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    touched_at: Mapped[Now]
    """When a writer last announced a reference."""


class ServiceIdentity(Table):
    """The only identity of this service; its object store holds it too."""

    __tablename__ = "service_identity"

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    id: Mapped[str] = mapped_column(String(32))

    __table_args__ = (CheckConstraint("one", name="one"),)


class BlobDoubt(Table):
    """A blob that may be unused, since this time.

    Triggers of migration 0009 add a row for each blob that is inserted or touched, because the
    reference may never come, and for each deleted reference. If the blob is in use, the row is
    deleted.
    """

    __tablename__ = "blob_doubts"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    at: Mapped[Now]


class StoredDataset(Table):
    """An uploaded data set."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(Sorted, primary_key=True)
    owner: Mapped[str] = mapped_column(ForeignKey("owners.name"))
    team: Mapped[str | None] = mapped_column(ForeignKey("teams.name"))
    """The team that sees and uses it; None if only its owner does."""
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    """Size of the file in bytes."""
    decoded_size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Size of its arrays in bytes. The larger of the two counts as stored: see migration 0014."""
    facts: Mapped[dict[str, Any]]
    """Shape, classes, and numbers of samples: `lth.datasets.Facts` and more."""
    created_at: Mapped[Now]

    __table_args__ = (
        Index("ix_datasets_owner_id", "owner", "id"),
        Index("ix_datasets_team_id", "team", "id", postgresql_where=text("team IS NOT NULL")),
    )
