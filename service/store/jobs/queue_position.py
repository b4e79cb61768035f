"""The progress of an unfinished job, and its position in the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from service.store.states import RunState
from service.store.tables import Job, Owner, Run, Team, TeamMember, Worker, WorkerState
from service.store.workers import workers

MOST_COUNTED = 10_000
"""The most runs that are counted ahead of a job."""
_RECENT = 50


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue ahead of a job that has no running run.

    Attributes:
        workers: number of workers that serve its pool and have enough memory.
        idle: number of idle ones.
        needs: bytes of memory that its next run needs.
        largest: bytes of memory of the largest worker of its pool; None if unknown, or if no worker
            serves it.
        at_quota: whether the owner or its home team may not have more running runs.
        ahead: number of runs that will start before its next one, if owners take turns.
        seconds: average seconds of a run in this pool; None if none has finished.
    """

    workers: int
    idle: int
    needs: int
    largest: int | None
    at_quota: bool
    ahead: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """The progress of a job.

    Attributes:
        counts: number of its runs by state.
        seconds: device seconds of its runs so far, over all attempts.
        progress: progress of each running run, as its worker reported it.
        queue: the queue ahead of it; None if a run is running, or no run can be queued.
    """

    counts: Mapping[RunState, int]
    seconds: float
    progress: Sequence[dict[str, Any] | None]
    queue: Queue | None


def outlook(session: Session, job: Job) -> Outlook:
    """The current progress and queue position of a job."""
    mine = Run.job_id == job.id
    since = func.extract("epoch", func.clock_timestamp() - Run.started_at)
    rows = session.execute(
        select(Run.state, func.count(), func.sum(Run.seconds), func.coalesce(func.sum(since), 0.0))
        .where(mine)
        .group_by(Run.state)
    ).all()
    counts = {state: count for state, count, _, _ in rows}
    seconds = sum(ended for _, _, ended, _ in rows)
    seconds += sum(float(now) for state, _, _, now in rows if state is RunState.RUNNING)
    running = select(Run.progress).where(mine, Run.state == RunState.RUNNING)
    progress = session.scalars(running).all()
    waits = counts.get(RunState.QUEUED) and not counts.get(RunState.RUNNING)
    return Outlook(counts, seconds, progress, _queue(session, job) if waits else None)


def _queue(session: Session, job: Job) -> Queue:
    needs = _needs(session, job)
    fits = Worker.memory_total.is_(None) | (Worker.memory_total >= needs)
    rows = session.execute(
        select(Worker.state, func.count())
        .where(Worker.pools.contains([job.pool]), Worker.state != WorkerState.LOST, fits)
        .group_by(Worker.state)
    )
    by_state = {state: count for state, count in rows}  # noqa: C416
    return Queue(
        workers=sum(by_state.values()),
        idle=by_state.get(WorkerState.IDLE, 0),
        needs=needs,
        largest=workers.largest(session, job.pool),
        at_quota=_at_quota(session, job.owner),
        ahead=_ahead(session, job),
        seconds=_usual_seconds(session, job.pool),
    )


def _needs(session: Session, job: Job) -> int:
    """Bytes of memory that the smallest queued run of a job needs; 0 if unknown."""
    least = select(func.min(func.coalesce(Run.memory, 0)))
    return session.scalar(least.where(Run.job_id == job.id, Run.state == RunState.QUEUED)) or 0


def _at_quota(session: Session, owner: str) -> bool:
    """Whether an owner, or its home team, may not have more running runs."""
    running = select(func.count()).select_from(Run).where(Run.state == RunState.RUNNING)
    most = session.scalar(select(Owner.max_running).where(Owner.name == owner))
    if most is not None and (session.scalar(running.where(Run.owner == owner)) or 0) >= most:
        return True
    home = select(TeamMember.team).where(TeamMember.owner == owner, TeamMember.home)
    team = session.scalar(select(Team).where(Team.name.in_(home), Team.max_running.is_not(None)))
    if team is None:
        return False
    at_home = select(TeamMember.owner).where(TeamMember.team == team.name, TeamMember.home)
    return (session.scalar(running.where(Run.owner.in_(at_home))) or 0) >= (team.max_running or 0)


def _ahead(session: Session, job: Job) -> int:
    """Runs ahead of this job's next one: the owner's, and as many turns of all other owners."""
    queued = (Run.state == RunState.QUEUED, Run.pool == job.pool)
    order = (Run.rank, Run.position, Run.id)
    first = session.execute(
        select(*order).where(Run.job_id == job.id, *queued).order_by(*order).limit(1)
    ).one_or_none()
    if first is None:  # A worker has claimed it since the runs were counted.
        return 0
    before = select(Run.id).where(*queued, Run.owner == job.owner, tuple_(*order) < tuple_(*first))
    own = session.scalar(
        select(func.count()).select_from(before.limit(MOST_COUNTED).subquery())
    ) or 0  # fmt: skip
    theirs = select(Run.owner).where(*queued, Run.owner != job.owner).limit(MOST_COUNTED).subquery()
    turns = session.execute(select(func.count()).select_from(theirs).group_by(theirs.c.owner))
    return own + sum(min(count, own + 1) for (count,) in turns)


def _usual_seconds(session: Session, pool: str) -> float | None:
    recent = (
        select(Run.seconds)
        .where(Run.finished_at.is_not(None), Run.state == RunState.SUCCEEDED, Run.pool == pool)
        .order_by(Run.finished_at.desc())
        .limit(_RECENT)
        .subquery()
    )
    return session.scalar(select(func.avg(recent.c.seconds)))
