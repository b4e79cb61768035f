"""Teams, their members, and their quotas.

An owner may be a member of several teams, and sees what is visible to any of them. One of them is
its home: the owner's jobs and data sets count for the quota and the share of that team.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete as drop
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.store.accounts import keys
from service.store.errors import InUse, NotThere
from service.store.states import UNFINISHED_JOB, RunState
from service.store.tables import Job, Owner, Run, StoredDataset, Team, TeamMember


@dataclass(frozen=True, slots=True)
class TeamQuota:
    """The quota of a team; None means unlimited.

    Attributes:
        weight: share of the workers of all owners whose home it is, relative to other teams and
            owners; None: each of these owners has a share of its own.
        max_running: runs at once, of all these owners.
        max_queued: unfinished jobs of all these owners.
        max_stored_bytes: bytes of files and data sets of all these owners.
    """

    weight: float | None = None
    max_running: int | None = None
    max_queued: int | None = None
    max_stored_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a team, and whether the team is its home."""

    owner: str
    home: bool


@dataclass(frozen=True, slots=True)
class TeamHoldings:
    """The members of a team, and the usage of those whose home it is."""

    members: Sequence[Member]
    running_runs: int
    unfinished_jobs: int
    stored_bytes: int


def put(session: Session, name: str, quota: TeamQuota) -> None:
    """Create a team, or set its quota. It takes effect at the next claim or submission."""
    row = insert(Team).values(name=name, **asdict(quota))
    session.execute(row.on_conflict_do_update(index_elements=[Team.name], set_=asdict(quota)))


def delete(session: Session, name: str) -> None:
    """Delete a team that has no members, jobs and data sets.

    Raises:
        NotThere: if there is no such team.
        InUse: if it has members, or if a job or a data set is visible to it.
    """
    _lock(session, name)
    for table, what in ((TeamMember, "members"), (Job, "jobs"), (StoredDataset, "data sets")):
        if session.scalar(select(table.team).where(table.team == name).limit(1)) is not None:
            raise InUse(f"the team '{name}' still has {what}; remove them first")
    session.execute(drop(Team).where(Team.name == name))


def exists(session: Session, name: str) -> bool:
    """Whether there is such a team."""
    return session.get(Team, name) is not None


def add_member(session: Session, name: str, owner: str, *, home: bool | None = None) -> None:
    """Add an owner to a team, or change whether the team is its home.

    Args:
        session: the transaction.
        name: the team.
        owner: the owner.
        home: whether the team becomes its home, in place of another one; None: if it has none.

    Raises:
        NotThere: if there is no such team or owner.
    """
    _lock(session, name)
    if session.get(Owner, owner, with_for_update={"key_share": True}) is None:
        raise NotThere(f"there is no owner '{owner}'; a key for '{owner}' creates it")
    membership = insert(TeamMember).values(team=name, owner=owner)
    session.execute(membership.on_conflict_do_nothing())
    mine = TeamMember.owner == owner
    if home is None:
        home = session.scalar(select(TeamMember.home).where(mine, TeamMember.home)) is None
        if not home:
            return keys.announce_change(session)
    others = TeamMember.team != name if home else TeamMember.team == name
    session.execute(update(TeamMember).where(mine, others).values(home=False))
    if home:
        this = TeamMember.team == name
        session.execute(update(TeamMember).where(mine, this).values(home=True))
    keys.announce_change(session)
    return None


def remove_member(session: Session, name: str, owner: str) -> None:
    """Remove an owner from a team. Its jobs and data sets stay visible to the team.

    If the team was its home, the team that it joined first becomes its home.

    Raises:
        NotThere: if there is no such team, or if the owner is not a member.
    """
    _lock(session, name)
    membership = drop(TeamMember).where(TeamMember.team == name, TeamMember.owner == owner)
    was_home = session.scalar(membership.returning(TeamMember.home))
    if was_home is None:
        raise NotThere(f"'{owner}' is no member of the team '{name}'")
    if was_home:
        left = select(TeamMember.team).where(TeamMember.owner == owner)
        first = session.scalar(left.order_by(TeamMember.joined_at, TeamMember.team).limit(1))
        if first is not None:
            add_member(session, first, owner, home=True)
    keys.announce_change(session)


def of_owner(session: Session, owner: str) -> tuple[str, ...]:
    """The teams of an owner, its home first."""
    query = select(TeamMember.team).where(TeamMember.owner == owner)
    return tuple(session.scalars(query.order_by(TeamMember.home.desc(), TeamMember.team)))


def colleagues(session: Session, teams: Sequence[str]) -> frozenset[str]:
    """All members of some teams."""
    return frozenset(session.scalars(select(TeamMember.owner).where(TeamMember.team.in_(teams))))


def with_holdings(
    session: Session, names: Sequence[str] | None = None
) -> list[tuple[Team, TeamHoldings]]:
    """All teams by name, or some of them, with their members and usage."""
    at_home = select(TeamMember.owner).where(TeamMember.team == Team.name, TeamMember.home)
    running = select(func.count()).where(Run.state == RunState.RUNNING, Run.owner.in_(at_home))
    unfinished = select(func.count()).where(Job.state.in_(UNFINISHED_JOB), Job.owner.in_(at_home))
    stored = select(func.coalesce(func.sum(Owner.stored_bytes), 0)).where(Owner.name.in_(at_home))
    query = select(
        Team, running.scalar_subquery(), unfinished.scalar_subquery(), stored.scalar_subquery()
    ).order_by(Team.name)
    if names is not None:
        query = query.where(Team.name.in_(names))
    members: dict[str, list[Member]] = {}
    for member in session.scalars(select(TeamMember).order_by(TeamMember.owner)):
        members.setdefault(member.team, []).append(Member(member.owner, member.home))
    return [
        (team, TeamHoldings(members.get(team.name, []), runs, jobs, int(stored)))
        for team, runs, jobs, stored in session.execute(query)
    ]


def _lock(session: Session, name: str) -> None:
    """Lock a team until the commit.

    Raises:
        NotThere: if there is no such team.
    """
    if session.get(Team, name, with_for_update=True) is None:
        raise NotThere(f"there is no team '{name}'")
