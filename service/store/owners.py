"""Owners: what they may have, and what they have."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.store.errors import NotThere, QuotaExceeded
from service.store.states import FINISHED_JOB, UNFINISHED_JOB, RunState
from service.store.tables import Job, Owner, Run, StoredDataset

MOST_HALF_LIVES = 100
"""Use longer ago counts as if it were of then. Postgres refuses a power that is too small for a
number, as that of 45 days with half-lives of an hour is."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an owner has now."""

    running_runs: int
    unfinished_jobs: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Quota:
    """What an owner may have; None is no bound. `weight` is relative to other owners'."""

    weight: float = 1.0
    max_running: int | None = None
    max_queued: int | None = None
    max_stored_bytes: int | None = None


def ensure(session: Session, name: str) -> None:
    """Make an owner known."""
    session.execute(insert(Owner).values(name=name).on_conflict_do_nothing())


def all_of_them(session: Session) -> Sequence[Owner]:
    """Every owner, by name."""
    return session.scalars(select(Owner).order_by(Owner.name)).all()


def set_quota(session: Session, name: str, quota: Quota) -> Owner:
    """Change what an owner may have; takes effect at the next claim or submit.

    Raises:
        NotThere: when there is no such owner.
    """
    owner = session.scalar(
        update(Owner)
        .where(Owner.name == name)
        .values(
            weight=quota.weight,
            max_running=quota.max_running,
            max_queued=quota.max_queued,
            max_stored_bytes=quota.max_stored_bytes,
        )
        .returning(Owner)
    )
    if owner is None:
        raise NotThere(f"there is no owner '{name}'")
    return owner


def holdings(session: Session, name: str) -> Holdings:
    """What an owner has: runs, jobs, and the bytes of their files and data sets.

    A file counts for each job that has it.
    """
    running = select(func.count()).where(Run.owner == name, Run.state == RunState.RUNNING)
    jobs = select(func.count()).where(Job.owner == name, Job.state.in_(UNFINISHED_JOB))
    stored = select(Owner.stored_bytes).where(Owner.name == name)
    return Holdings(
        running_runs=session.scalar(running) or 0,
        unfinished_jobs=session.scalar(jobs) or 0,
        stored_bytes=session.scalar(stored) or 0,
    )


def count_usage(session: Session, name: str, seconds: float, half_life: float) -> None:
    """Add seconds on a device to what an owner used lately."""
    since = func.extract("epoch", func.clock_timestamp() - Owner.usage_at)
    faded = func.power(0.5, func.least(since / half_life, MOST_HALF_LIVES))
    session.execute(
        update(Owner)
        .where(Owner.name == name)
        .values(usage=Owner.usage * faded + seconds, usage_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


def check_room_for_a_job(session: Session, name: str) -> None:
    """Refuse one more unfinished job to an owner, who gets no other until the commit.

    Raises:
        QuotaExceeded: when they have as many, or store as much, as they may.
    """
    check_room(session, name)
    most = session.scalar(select(Owner.max_queued).where(Owner.name == name))
    if most is None:
        return
    count = holdings(session, name).unfinished_jobs
    if count >= most:
        raise QuotaExceeded(
            f"'{name}' has {count} unfinished jobs, and may have {most}; "
            "wait for some of them to end, or cancel some"
        )


def check_room(session: Session, name: str, more: int = 1) -> None:
    """Refuse to store more than an owner may, for whom nobody else adds any until the commit.

    Raises:
        QuotaExceeded: when `more` bytes would not fit.
    """
    bound = select(Owner.max_stored_bytes, Owner.stored_bytes).where(Owner.name == name)
    locked = session.execute(bound.with_for_update(key_share=True))
    most, used = locked.one_or_none() or (None, 0)
    if most is not None and used + more > most:
        raise _full(session, name, used, most, more)


def _full(session: Session, name: str, used: int, most: int, more: int) -> QuotaExceeded:
    in_datasets = select(func.coalesce(func.sum(StoredDataset.size), 0))
    datasets = session.scalar(in_datasets.where(StoredDataset.owner == name)) or 0
    finished = select(Job.id).where(Job.owner == name, Job.state.in_(FINISHED_JOB))
    oldest = session.scalar(finished.order_by(Job.id).limit(1))
    such = f" (the oldest is '{oldest}')" if oldest else ""
    room = f"has no room for {more:,} more" if more > 1 else "has no room left"
    return QuotaExceeded(
        f"'{name}' stores {used:,} bytes, {datasets:,} of them in data sets, may store {most:,} "
        f"and {room}; delete finished jobs{such} or data sets that no job uses"
    )
