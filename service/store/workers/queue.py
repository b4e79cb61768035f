"""The load of each pool: its workers, and the runs of each owner."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from service.store.accounts.viewers import Viewer, visible_parts
from service.store.states import UNFINISHED_JOB, JobState, RunState
from service.store.tables import Job, Run, Worker, WorkerState


@dataclass(slots=True)
class Load:
    """The runs of an owner in a pool."""

    running: int = 0
    queued: int = 0


@dataclass(slots=True)
class PoolLoad:
    """The workers of a pool, and its runs by owner."""

    workers: int = 0
    idle: int = 0
    owners: dict[str, Load] = field(default_factory=dict)


def loads(session: Session) -> dict[str, PoolLoad]:
    """The load of each pool that has a worker or a queued or running run, by name."""
    pools: dict[str, PoolLoad] = {}
    alive = select(Worker.pools, Worker.state).where(Worker.state != WorkerState.LOST)
    for served, state in session.execute(alive):
        for pool in served:
            of_pool = pools.setdefault(pool, PoolLoad())
            of_pool.workers += 1
            of_pool.idle += state is WorkerState.IDLE
    for state in (RunState.RUNNING, RunState.QUEUED):
        # A condition on one state is read from the index of that state.
        counts = select(Run.pool, Run.owner, func.count()).where(Run.state == state)
        for pool, owner, count in session.execute(counts.group_by(Run.pool, Run.owner)):
            load = pools.setdefault(pool, PoolLoad()).owners.setdefault(owner, Load())
            setattr(load, state.value, count)
    return dict(sorted(pools.items()))


def unfinished(session: Session, viewer: Viewer | None, limit: int) -> Sequence[Job]:
    """The visible unfinished jobs without their specs: running ones first, then the oldest."""
    found: list[Job] = []
    for part in visible_parts(viewer, Job):
        for state in UNFINISHED_JOB:
            query = select(Job).where(part, Job.state == state).order_by(Job.id).limit(limit)
            found += session.scalars(query.options(defer(Job.spec, raiseload=True)))
    found.sort(key=lambda job: (job.state is not JobState.RUNNING, job.id))
    return found[:limit]
