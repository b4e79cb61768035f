"""``/v1/teams``: administrators create teams; members see their own."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from service.api.accounts.access import AdminDep, Principal, ReaderDep
from service.api.accounts.owners import OwnerName
from service.api.http.documents import JsonBytes, json_body, parse_json, validated
from service.api.http.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    InvalidRequest,
    MalformedBody,
    NotFound,
    UnsupportedMediaType,
    answers,
)
from service.api.http.state import AppState, AppStateDep
from service.store.accounts import audit, teams
from service.store.accounts.owners import NAME
from service.store.accounts.teams import TeamQuota

router = APIRouter(tags=["teams"])


class TeamQuotaDocument(BaseModel):
    """The quota of a team, for all owners whose home it is; null means unlimited."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    weight: float | None = Field(
        default=None,
        gt=0,
        le=1_000,
        description="share of the workers of all these owners, relative to other teams and owners; "
        "null: each owner has a share",
    )
    max_running: int | None = Field(default=None, ge=0, lt=2**31, description="runs at once")
    max_queued: int | None = Field(default=None, ge=0, lt=2**31, description="unfinished jobs")
    max_stored_bytes: int | None = Field(
        default=None, ge=0, lt=2**63, description="files of jobs and data sets"
    )


class MemberView(BaseModel):
    """A member of a team."""

    model_config = ConfigDict(from_attributes=True)

    owner: str
    home: bool = Field(description="whether the owner's jobs count for the quota of this team")


class TeamView(BaseModel):
    """A team, with its members, quota and usage."""

    name: str
    members: list[MemberView]
    quota: TeamQuotaDocument
    running_runs: int = Field(description="of all owners whose home it is")
    unfinished_jobs: int = Field(description="of all owners whose home it is")
    stored_bytes: int = Field(description="of all owners whose home it is")
    created_at: datetime


class TeamList(BaseModel):
    """The visible teams, by name."""

    teams: list[TeamView]


TeamName = Annotated[str, Path(pattern=NAME, description="the team", examples=["vision"])]
_QUOTA: TypeAdapter[TeamQuotaDocument] = TypeAdapter(TeamQuotaDocument)


@router.get("/teams", summary="List teams")
def list_teams(principal: ReaderDep, app: AppStateDep) -> TeamList:
    """Your teams; administrators see all teams."""
    return _listed(app, None if principal.viewer is None else principal.teams)


@router.put(
    "/teams/{team}",
    summary="Create a team, or set its quota",
    openapi_extra=json_body(TeamQuotaDocument),
    responses=answers(MalformedBody, Forbidden, BodyTooLarge, UnsupportedMediaType, InvalidRequest),
)
def put_team(team: TeamName, principal: AdminDep, body: JsonBytes, app: AppStateDep) -> TeamView:
    """Takes effect at the next claim or submission. Omitted fields return to their defaults."""
    wanted = validated(_QUOTA, parse_json(body))
    with app.database.transaction() as session:
        teams.put(session, team, TeamQuota(**wanted.model_dump()))
        audit.record(session, principal.actor, "team.put", team, **wanted.model_dump())
    return _one(app, team)


@router.delete(
    "/teams/{team}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a team",
    responses=answers(Forbidden, NotFound, Conflict),
)
def delete_team(team: TeamName, principal: AdminDep, app: AppStateDep) -> Response:
    """Delete a team without members, to which no job and no data set is visible."""
    with app.database.transaction() as session:
        teams.delete(session, team)
        audit.record(session, principal.actor, "team.delete", team)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.put(
    "/teams/{team}/members/{name}",
    summary="Add a member to a team",
    responses=answers(Forbidden, NotFound, InvalidRequest),
)
def add_member(
    team: TeamName,
    name: OwnerName,
    principal: AdminDep,
    app: AppStateDep,
    home: Annotated[
        bool | None,
        Query(
            description="whether the owner's jobs count for the quota of this team and of no "
            "other; default: only if they count for none yet"
        ),
    ] = None,
) -> TeamView:
    """The member sees all jobs and data sets that are visible to the team."""
    with app.database.transaction() as session:
        teams.add_member(session, team, name, home=home)
        audit.record(session, principal.actor, "team.add", team, owner=name, home=home)
    return _one(app, team)


@router.delete(
    "/teams/{team}/members/{name}",
    summary="Remove a member from a team",
    responses=answers(Forbidden, NotFound),
)
def remove_member(
    team: TeamName, name: OwnerName, principal: AdminDep, app: AppStateDep
) -> TeamView:
    """The jobs and data sets of the owner stay, and stay visible to the team."""
    with app.database.transaction() as session:
        teams.remove_member(session, team, name)
        audit.record(session, principal.actor, "team.remove", team, owner=name)
    return _one(app, team)


def colleagues(app: AppState, principal: Principal) -> frozenset[str] | None:
    """The owners whose names the principal sees; None for all owners."""
    if principal.viewer is None:
        return None
    with app.database.transaction() as session:
        return teams.colleagues(session, principal.teams) | {principal.owner}


def _one(app: AppState, team: str) -> TeamView:
    return _listed(app, [team]).teams[0]


def _listed(app: AppState, names: list[str] | tuple[str, ...] | None) -> TeamList:
    with app.database.transaction() as session:
        found = teams.with_holdings(session, names)
    return TeamList(
        teams=[
            TeamView(
                name=team.name,
                members=[MemberView.model_validate(member) for member in held.members],
                quota=TeamQuotaDocument.model_validate(team),
                running_runs=held.running_runs,
                unfinished_jobs=held.unfinished_jobs,
                stored_bytes=held.stored_bytes,
                created_at=team.created_at,
            )
            for team, held in found
        ]
    )
