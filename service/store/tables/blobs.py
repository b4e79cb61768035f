"""What the object store holds, and the data sets that people uploaded."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Now, Sorted, Table


class StoredBlob(Table):
    """Bytes in the object store, by their SHA-256. Whatever refers to one has a foreign key."""

    __tablename__ = "blobs"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    touched_at: Mapped[Now]
    """When somebody last said that they would refer to it."""


class ServiceIdentity(Table):
    """The one identity of this service, which its object store holds too."""

    __tablename__ = "service_identity"

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    id: Mapped[str] = mapped_column(String(32))

    __table_args__ = (CheckConstraint("one", name="one"),)


class BlobDoubt(Table):
    """A blob that nothing may refer to, since then.

    Triggers, which the migration 0009 made, add a row for each blob that is entered or touched, as
    the reference may never come, and for each reference that goes. Whoever finds the blob in use
    removes the row.
    """

    __tablename__ = "blob_doubts"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    at: Mapped[Now]


class StoredDataset(Table):
    """A data set that somebody uploaded."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(Sorted, primary_key=True)
    owner: Mapped[str] = mapped_column(ForeignKey("owners.name"))
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    """Of the file, in bytes."""
    decoded_size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Of the arrays in the file. The larger of the two counts as stored: see migration 0014."""
    facts: Mapped[dict[str, Any]]
    """Shape, classes, and numbers of samples: `lth.datasets.Facts` and more."""
    created_at: Mapped[Now]

    __table_args__ = (Index("ix_datasets_owner_id", "owner", "id"),)
