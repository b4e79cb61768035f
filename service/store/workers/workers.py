"""The registry of workers, as they report themselves."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.store.tables import Run, Worker, WorkerState
from service.store.workers import pools


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker knows of itself when it starts.

    Attributes:
        node: what all children of one parent share.
        device: ``cpu``, or the GPU's name.
    """

    id: str
    node: str
    host: str
    pid: int
    pools: Sequence[str]
    device: str
    memory_total: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def register(session: Session, facts: WorkerFacts) -> None:
    """Enter a worker that has just started, and remember the pools that it serves."""
    pools.remember(session, facts.pools)
    session.execute(
        insert(Worker)
        .values(
            id=facts.id,
            node=facts.node,
            host=facts.host,
            pid=facts.pid,
            pools=list(facts.pools),
            device=facts.device,
            memory_total=facts.memory_total,
            detail=facts.detail,
            state=WorkerState.IDLE,
        )
        .on_conflict_do_nothing()
    )


def report(
    session: Session,
    worker_id: str,
    state: WorkerState,
    run_id: uuid.UUID | None = None,
    memory_used: int | None = None,
    why: str | None = None,
) -> bool:
    """Say what a worker is doing now; also its sign of life.

    Returns:
        Whether the worker is in the registry; if not, nothing was written.
    """
    values: dict[str, Any] = {"state": state, "run_id": run_id, "seen_at": func.clock_timestamp()}
    if memory_used is not None:
        values["memory_used"] = memory_used
    values["detail"] = Worker.detail.op("-")("why") if why is None else (
        Worker.detail.op("||")(func.jsonb_build_object("why", why))
    )  # fmt: skip
    known = update(Worker).where(Worker.id == worker_id).values(values).returning(Worker.id)
    return session.scalar(known) is not None


def drain(session: Session, node: str) -> None:
    """Say that a parent was told to stop."""
    session.execute(update(Worker).where(Worker.node == node).values(state=WorkerState.DRAINING))


def leave(session: Session, worker_ids: Sequence[str]) -> None:
    """Take workers out of the registry that have ended."""
    session.execute(delete(Worker).where(Worker.id.in_(worker_ids)))


def mark_lost(session: Session, silence: timedelta, forget_after: timedelta) -> Sequence[str]:
    """Mark workers that were silent for too long, and forget those lost long ago.

    Rows that another transaction holds are left for the next call.

    Returns:
        The workers that were marked.
    """
    now = func.now()
    forgotten = _unlocked(Worker.state == WorkerState.LOST, Worker.seen_at < now - forget_after)
    session.execute(delete(Worker).where(Worker.id.in_(forgotten)))
    silent = _unlocked(Worker.state != WorkerState.LOST, Worker.seen_at < now - silence)
    return session.scalars(
        update(Worker)
        .where(Worker.id.in_(silent))
        .values(state=WorkerState.LOST, run_id=None)
        .returning(Worker.id)
    ).all()


def idle(session: Session, pool: str) -> int:
    """How many workers of a pool say that they have nothing to do."""
    return session.scalar(
        select(func.count())
        .select_from(Worker)
        .where(Worker.state == WorkerState.IDLE, Worker.pools.contains([pool]))
    ) or 0  # fmt: skip


def all_of_them(session: Session) -> Sequence[Worker]:
    """Every worker that is known, by name."""
    return session.scalars(select(Worker).order_by(Worker.id)).all()


def with_runs(session: Session) -> Sequence[tuple[Worker, Run | None]]:
    """Every worker that is known, by name, with the run that it executes."""
    query = select(Worker, Run).outerjoin(Run, Run.id == Worker.run_id).order_by(Worker.id)
    return [(worker, run) for worker, run in session.execute(query)]


def _unlocked(*conditions: ColumnElement[bool]) -> Select[str]:
    """The ids of the workers that meet the conditions and that no other transaction holds."""
    found = select(Worker.id).where(*conditions).order_by(Worker.id)
    return found.with_for_update(skip_locked=True)


def clock(session: Session) -> datetime:
    """The time of the database, against which signs of life are measured."""
    return session.scalars(select(func.clock_timestamp())).one()
