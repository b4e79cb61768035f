"""What an owner may see: its own jobs and data sets, and those of its teams.

Functions of the store that take ``Viewer | None`` leave nothing out for None, an administrator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, true

from service.store.tables import Job, StoredDataset


@dataclass(frozen=True, slots=True)
class Viewer:
    """An owner, and the teams whose jobs and data sets it sees."""

    owner: str
    teams: tuple[str, ...] = ()

    def sees(self, thing: Job | StoredDataset) -> bool:
        """Whether this owner may see a job or a data set."""
        return thing.owner == self.owner or thing.team in self.teams


def may_see(viewer: Viewer | None, thing: Job | StoredDataset) -> bool:
    """Whether a job or a data set is visible."""
    return viewer is None or viewer.sees(thing)


def visible_parts(
    viewer: Viewer | None, table: type[Job] | type[StoredDataset]
) -> Sequence[ColumnElement[bool]]:
    """Disjoint conditions that together select the visible rows of a table.

    An index in the order of the ids serves each of them, but not all of them joined by OR.
    """
    if viewer is None:
        return (true(),)
    of_teams = [(table.team == team) & (table.owner != viewer.owner) for team in viewer.teams]
    return (table.owner == viewer.owner, *of_teams)


def visible(viewer: Viewer | None, table: type[Job] | type[StoredDataset]) -> ColumnElement[bool]:
    """The condition that selects the visible rows of a table."""
    return or_(*visible_parts(viewer, table))
