"""Owners with their quota and their usage. The quota of their home team counts too."""

from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.store.errors import NotThere, QuotaExceeded
from service.store.states import FINISHED_JOB, UNFINISHED_JOB, RunState
from service.store.tables import Job, Owner, Run, StoredDataset, Team, TeamMember

NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""The pattern of the name of an owner or a team."""
MOST_HALF_LIVES = 100
"""The oldest usage that is halved, in half-lives: Postgres refuses smaller powers, such as those of
45 days with half-lives of an hour."""
_UNFINISHED = (
    select(func.count())
    .where(Job.owner == Owner.name, Job.state.in_(UNFINISHED_JOB))
    .correlate(Owner)
    .scalar_subquery()
)
"""The number of unfinished jobs of the owner of a row."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """The usage of an owner.

    Attributes:
        stored_bytes: of files and data sets. A file counts for each job that has it. A data set
            counts as its file or its decoded arrays, whichever is larger.
    """

    running_runs: int
    unfinished_jobs: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Quota:
    """The quota of an owner; None means unlimited. `weight` is relative to other owners."""

    weight: float = 1.0
    max_running: int | None = None
    max_queued: int | None = None
    max_stored_bytes: int | None = None


def ensure(session: Session, name: str) -> None:
    """Create an owner, unless it exists."""
    session.execute(insert(Owner).values(name=name).on_conflict_do_nothing())


def lock(session: Session, name: str) -> None:
    """Lock an owner until the commit."""
    session.execute(select(Owner.name).where(Owner.name == name).with_for_update(key_share=True))


def set_quota(session: Session, name: str, quota: Quota) -> None:
    """Set the quota of an owner. It takes effect at the next claim or submission.

    Raises:
        NotThere: if there is no such owner.
    """
    found = update(Owner).where(Owner.name == name).values(asdict(quota)).returning(Owner.name)
    if session.scalar(found) is None:
        raise NotThere(f"there is no owner '{name}'")


def with_holdings(session: Session, name: str | None = None) -> list[tuple[Owner, Holdings]]:
    """All owners by name, or one owner, with their usage."""
    running = select(func.count()).where(Run.owner == Owner.name, Run.state == RunState.RUNNING)
    query = select(Owner, running.scalar_subquery(), _UNFINISHED).order_by(Owner.name)
    if name is not None:
        query = query.where(Owner.name == name)
    return [
        (owner, Holdings(runs, jobs, owner.stored_bytes))
        for owner, runs, jobs in session.execute(query)
    ]


def count_usage(session: Session, name: str, seconds: float, half_life: float) -> None:
    """Add device seconds to the recent usage of an owner."""
    since = func.extract("epoch", func.clock_timestamp() - Owner.usage_at)
    faded = func.power(0.5, func.least(since / half_life, MOST_HALF_LIVES))
    session.execute(
        update(Owner)
        .where(Owner.name == name)
        .values(usage=Owner.usage * faded + seconds, usage_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


def check_room_for_a_job(session: Session, name: str) -> None:
    """Check that an owner may have one more unfinished job, and lock the owner until the commit.

    Raises:
        QuotaExceeded: if the owner has as many jobs, or as many bytes, as the quota allows.
    """
    check_room(session, name)
    most = session.scalar(select(Owner.max_queued).where(Owner.name == name))
    if most is not None:
        _check_queued(session, f"'{name}'", most, Owner.name == name)
    team = _home(session, name)
    if team is not None and team.max_queued is not None:
        _check_queued(
            session, f"the team '{team.name}'", team.max_queued, Owner.name.in_(_at_home(team.name))
        )


def _check_queued(session: Session, who: str, most: int, condition: ColumnElement[bool]) -> None:
    counts = session.scalars(select(_UNFINISHED).where(condition))
    count = sum(counts)
    if count >= most:
        raise QuotaExceeded(
            f"{who} has {count} unfinished jobs, and may have {most}; "
            "wait for some of them to end, or cancel some"
        )


def room(session: Session, name: str) -> int | None:
    """Bytes that an owner may still store; None if unlimited."""
    most, used = session.execute(
        select(Owner.max_stored_bytes, Owner.stored_bytes).where(Owner.name == name)
    ).one_or_none() or (None, 0)
    left = [] if most is None else [most - used]
    team = _home(session, name)
    if team is not None and team.max_stored_bytes is not None:
        left.append(team.max_stored_bytes - _stored(session, team.name))
    return min(left, default=None)


def check_room(session: Session, name: str, more: int = 1) -> None:
    """Check that an owner may store more bytes.

    The owner, and then a home team with a quota, are locked until the commit.

    Raises:
        QuotaExceeded: if `more` bytes would not fit.
    """
    bound = select(Owner.max_stored_bytes, Owner.stored_bytes).where(Owner.name == name)
    locked = session.execute(bound.with_for_update(key_share=True))
    most, used = locked.one_or_none() or (None, 0)
    if most is not None and used + more > most:
        raise _full(session, name, used, most, more)
    team = _home(session, name, lock=True)
    if team is not None and team.max_stored_bytes is not None:
        used = _stored(session, team.name)
        if used + more > team.max_stored_bytes:
            raise QuotaExceeded(
                f"the team '{team.name}' stores {used:,} bytes, may store "
                f"{team.max_stored_bytes:,} and {_no_room(more)}; delete finished jobs or data sets"
            )


def _home(session: Session, name: str, *, lock: bool = False) -> Team | None:
    """The home team of an owner, if it has one with a quota."""
    bounded = or_(Team.max_queued.is_not(None), Team.max_stored_bytes.is_not(None))
    query = (
        select(Team)
        .join(TeamMember, TeamMember.team == Team.name)
        .where(TeamMember.owner == name, TeamMember.home, bounded)
        .execution_options(populate_existing=True)
    )
    return session.scalar(query.with_for_update(key_share=True, of=Team) if lock else query)


def _at_home(team: str) -> Select[str]:
    return select(TeamMember.owner).where(TeamMember.team == team, TeamMember.home)


def _stored(session: Session, team: str) -> int:
    stored = select(func.coalesce(func.sum(Owner.stored_bytes), 0))
    return int(session.scalar(stored.where(Owner.name.in_(_at_home(team)))) or 0)


def _full(session: Session, name: str, used: int, most: int, more: int) -> QuotaExceeded:
    counted = func.greatest(StoredDataset.size, StoredDataset.decoded_size)
    in_datasets = select(func.coalesce(func.sum(counted), 0))
    datasets = session.scalar(in_datasets.where(StoredDataset.owner == name)) or 0
    finished = select(Job.id).where(Job.owner == name, Job.state.in_(FINISHED_JOB))
    oldest = session.scalar(finished.order_by(Job.id).limit(1))
    such = f" (the oldest is '{oldest}')" if oldest else ""
    return QuotaExceeded(
        f"'{name}' stores {used:,} bytes, {datasets:,} of them in data sets, may store {most:,} "
        f"and {_no_room(more)}; delete finished jobs{such} or data sets that no job uses"
    )


def _no_room(more: int) -> str:
    return f"has no room for {more:,} more" if more > 1 else "has no room left"
