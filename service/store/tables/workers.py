"""The workers, as they report themselves."""

import enum
import uuid
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Now, Table, words


class WorkerState(enum.StrEnum):
    """The state of a worker."""

    IDLE = "idle"
    BUSY = "busy"
    REFUSING = "refusing"
    """Other programs fill its GPU."""
    DRAINING = "draining"
    """It is stopping, and returns its run to the queue."""
    LOST = "lost"
    """It was silent for longer than a lease."""


class ServedPool(Table):
    """A pool that a worker has served. Jobs may name it, also after the worker has gone."""

    __tablename__ = "pools"

    name: Mapped[str] = mapped_column(primary_key=True)
    served_at: Mapped[Now]
    """When a worker of this pool was last known to exist; updated by housekeeping."""


class Worker(Table):
    """A process that executes one run at a time."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    """``host/pid of the parent/pid``, with the moment of its start."""
    node: Mapped[str] = mapped_column(index=True)
    """``host/pid of the parent``, which all children of a parent share."""
    host: Mapped[str]
    pid: Mapped[int]
    pools: Mapped[list[str]] = mapped_column(ARRAY(String))
    device: Mapped[str]
    """``cpu``, or the name of the GPU."""
    memory_total: Mapped[int | None] = mapped_column(BigInteger)
    """Bytes that its run may use: all of its GPU, or its share of the machine."""
    memory_used: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[WorkerState] = mapped_column(words(WorkerState))
    run_id: Mapped[uuid.UUID | None]
    detail: Mapped[dict[str, Any]]
    """Versions, and why it refuses work."""
    started_at: Mapped[Now]
    seen_at: Mapped[Now]
