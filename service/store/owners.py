"""Owners: what they may have, and what they have."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.store.errors import NotThere, QuotaExceeded
from service.store.states import FINISHED_JOB, RunState
from service.store.tables import Artifact, Job, Owner, Run, StoredDataset


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
    """What an owner has: runs, jobs, and the bytes of artifacts and data sets."""
    running = select(func.count()).where(Run.owner == name, Run.state == RunState.RUNNING)
    jobs = select(func.count()).where(Job.owner == name, Job.state.not_in(FINISHED_JOB))
    return Holdings(
        running_runs=session.scalar(running) or 0,
        unfinished_jobs=session.scalar(jobs) or 0,
        stored_bytes=stored_bytes(session, name),
    )


def stored_bytes(session: Session, name: str) -> int:
    """The bytes of an owner's artifacts and data sets; equal files of several jobs count once."""
    files = select(Artifact.digest, Artifact.size).join(Job).where(Job.owner == name)
    datasets = select(StoredDataset.digest, StoredDataset.size).where(StoredDataset.owner == name)
    kept = files.union(datasets).subquery()
    return int(session.scalar(select(func.coalesce(func.sum(kept.c.size), 0))) or 0)


def check_room(session: Session, name: str, more: int = 0) -> None:
    """Refuse to store more than an owner may.

    Raises:
        QuotaExceeded: when `more` bytes would not fit.
    """
    most = session.scalar(select(Owner.max_stored_bytes).where(Owner.name == name))
    if most is None:
        return
    used = stored_bytes(session, name)
    if used + more > most:
        raise QuotaExceeded(
            f"'{name}' stores {used} bytes and may store {most}; delete jobs or data sets"
        )
