"""Which team sees a job or a data set."""

from lth.core.field_errors import WrongField
from service.api.accounts.access import Principal
from service.api.http.documents import invalid
from service.api.http.state import AppState
from service.store.accounts import teams
from service.store.tables import Role


def usual_team(app: AppState, principal: Principal) -> str | None:
    """The team that sees what a request stores without naming a team; None if only its owner."""
    if app.settings.default_visibility == "private" or not principal.teams:
        return None
    return principal.teams[0]


def not_a_team_of(app: AppState, principal: Principal, team: str) -> WrongField | None:
    """The error for a team of which the owner is not a member; administrators name any team."""
    if team in principal.teams:
        return None
    if principal.role is Role.ADMIN:
        with app.database.transaction() as session:
            if teams.exists(session, team):
                return None
        return WrongField("/team", "there is no such team", team, "the name of a team, or null")
    right = " or ".join([*(f"'{own}'" for own in principal.teams), "null"])
    return WrongField("/team", f"'{principal.owner}' is no member of this team", team, right)


def check_team(app: AppState, principal: Principal, team: str) -> None:
    """Check that the owner may show something to a team.

    Raises:
        InvalidRequest: if the owner is not a member.
    """
    wrong = not_a_team_of(app, principal, team)
    if wrong is not None:
        raise invalid([wrong])
