"""The workers, as they report themselves."""

import enum
import uuid
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Now, Table, words


class WorkerState(enum.StrEnum):
    """What a worker is doing."""

    IDLE = "idle"
    BUSY = "busy"
    REFUSING = "refusing"
    """Others fill its GPU."""
    DRAINING = "draining"
    """It was told to stop and gives its run back."""
    LOST = "lost"
    """It was silent for longer than a lease."""


class ServedPool(Table):
    """A pool that a worker has served. Jobs may name it, also after the worker has gone."""

    __tablename__ = "pools"

    name: Mapped[str] = mapped_column(primary_key=True)
    served_at: Mapped[Now]
    """When a worker of this pool was last known to exist; updated by housekeeping."""


class Worker(Table):
    """One process that executes one run at a time."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    """``host/pid of the parent/pid``, with the moment of its start."""
    node: Mapped[str] = mapped_column(index=True)
    """``host/pid of the parent``: what all children of a parent share."""
    host: Mapped[str]
    pid: Mapped[int]
    pools: Mapped[list[str]] = mapped_column(ARRAY(String))
    device: Mapped[str]
    """``cpu``, or the GPU's name."""
    memory_total: Mapped[int | None] = mapped_column(BigInteger)
    memory_used: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[WorkerState] = mapped_column(words(WorkerState))
    run_id: Mapped[uuid.UUID | None]
    detail: Mapped[dict[str, Any]]
    """Versions, and why it refuses."""
    started_at: Mapped[Now]
    seen_at: Mapped[Now]
