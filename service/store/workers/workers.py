"""The registry of workers, as they report themselves."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session, defer

from service.store.tables import Job, Run, Worker, WorkerState
from service.store.workers import pools

Reported = Sequence[tuple[Sequence[str], Sequence[str]]]
"""The pools of each live worker, and the named data sets whose files it reports."""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """The facts of a worker at its start.

    Attributes:
        node: shared by all children of a parent.
        device: ``cpu``, or the name of the GPU.
        memory_total: bytes that its run may use.
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
    """Register a worker, and remember the pools that it serves."""
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
    datasets: Sequence[str] | None = None,
) -> bool:
    """Report the state of a worker, which is also its sign of life.

    Args:
        session: the transaction.
        worker_id: the worker.
        state: its state.
        run_id: the run that it executes.
        memory_used: bytes in use; None to leave the last value.
        why: why it refuses work.
        datasets: the named data sets whose files it has; None to leave the last value.

    Returns:
        Whether the worker is registered; otherwise nothing was written.
    """
    values: dict[str, Any] = {"state": state, "run_id": run_id, "seen_at": func.clock_timestamp()}
    if memory_used is not None:
        values["memory_used"] = memory_used
    detail = {"why": why, "datasets": None if datasets is None else list(datasets)}
    said = {name: value for name, value in detail.items() if value is not None}
    values["detail"] = Worker.detail.op("-")("why").op("||")(literal(said, JSONB))
    known = update(Worker).where(Worker.id == worker_id).values(values).returning(Worker.id)
    return session.scalar(known) is not None


def drain(session: Session, node: str) -> None:
    """Record that a parent is stopping."""
    session.execute(update(Worker).where(Worker.node == node).values(state=WorkerState.DRAINING))


def leave(session: Session, worker_ids: Sequence[str]) -> None:
    """Delete workers that have ended."""
    session.execute(delete(Worker).where(Worker.id.in_(worker_ids)))


def mark_lost(session: Session, silence: timedelta, forget_after: timedelta) -> Sequence[str]:
    """Mark silent workers as lost, and delete those that were lost long ago.

    Locked rows are left for the next call.

    Returns:
        The marked workers.
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


def serving(session: Session, pool: str) -> int:
    """Number of workers that serve a pool, without those that stop or are lost."""
    gone = (WorkerState.DRAINING, WorkerState.LOST)
    return session.scalar(
        select(func.count())
        .select_from(Worker)
        .where(Worker.state.not_in(gone), Worker.pools.contains([pool]))
    ) or 0  # fmt: skip


def idle(session: Session, pool: str) -> int:
    """Number of idle workers of a pool."""
    return session.scalar(
        select(func.count())
        .select_from(Worker)
        .where(Worker.state == WorkerState.IDLE, Worker.pools.contains([pool]))
    ) or 0  # fmt: skip


def largest(session: Session, pool: str) -> int | None:
    """Bytes of memory of the largest worker of a pool.

    Returns:
        None if no worker serves the pool, or if one has not registered its memory.
    """
    unknown, most = session.execute(
        select(func.bool_or(Worker.memory_total.is_(None)), func.max(Worker.memory_total)).where(
            Worker.pools.contains([pool]), Worker.state != WorkerState.LOST
        )
    ).one()
    return None if unknown else most


def with_datasets(session: Session) -> Reported:
    """The named data sets of the live workers that report them."""
    query = select(Worker.pools, Worker.detail["datasets"]).where(
        Worker.state != WorkerState.LOST, Worker.detail.has_key("datasets")
    )
    return [(pools, datasets) for pools, datasets in session.execute(query)]


def all_of_them(session: Session) -> Sequence[Worker]:
    """All known workers, by name."""
    return session.scalars(select(Worker).order_by(Worker.id)).all()


def with_runs(session: Session) -> Sequence[tuple[Worker, Run | None, Job | None]]:
    """All known workers, by name, with their current runs and jobs, without specs."""
    query = (
        select(Worker, Run, Job)
        .outerjoin(Run, Run.id == Worker.run_id)
        .outerjoin(Job, Job.id == Run.job_id)
        .options(defer(Job.spec, raiseload=True))
        .order_by(Worker.id)
    )
    return [(worker, run, job) for worker, run, job in session.execute(query)]


def _unlocked(*conditions: ColumnElement[bool]) -> Select[str]:
    """Ids of the workers that meet the conditions and are not locked."""
    found = select(Worker.id).where(*conditions).order_by(Worker.id)
    return found.with_for_update(skip_locked=True)


def clock(session: Session) -> datetime:
    """The time of the database, which signs of life are compared with."""
    return session.scalars(select(func.clock_timestamp())).one()
