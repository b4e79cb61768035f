"""Webhooks of jobs."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Now, Sorted, Table


class Webhook(Table):
    """An address to call when a job has ended. At most one for each job."""

    __tablename__ = "webhooks"

    job_id: Mapped[str] = mapped_column(
        Sorted, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    url: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_at: Mapped[Now]
    """Not called before; during a call, when another beat may try."""
    delivered_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    error: Mapped[str | None]
    """Of the last attempt."""

    __table_args__ = (
        Index(
            "ix_webhooks_waiting",
            "next_at",
            postgresql_where=text("delivered_at IS NULL AND given_up_at IS NULL"),
        ),
    )
