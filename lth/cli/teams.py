"""Commands for teams, and for what a team sees."""

from typing import Annotated

import typer

from lth.cli.connection import JobId, Json, open_client
from lth.cli.exits import WrongUse
from lth.cli.screen import put, put_json, put_table, say
from lth.cli.tables import job_table, load_table, team_table
from lth.client import requests

Team = Annotated[str | None, typer.Option(help="A team of yours that sees it.")]
TeamOrNone = Annotated[str | None, typer.Argument(metavar="TEAM", help="A team of yours.")]
Private = Annotated[bool, typer.Option("--private", help="Only you see it.")]
_TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="The team.")]
_Owner = Annotated[str, typer.Argument(metavar="OWNER", help="The owner.")]

teams = typer.Typer(no_args_is_help=True, help="List teams; for administrators, change them.")


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(share)
    app.command()(queue)
    app.add_typer(teams, name="teams")


def chosen_team(team: str | None, private: bool) -> dict[str, str | None]:
    """The field `team` of a request; empty if the service decides."""
    if team is not None and private:
        raise WrongUse("--team and --private exclude each other")
    return {"team": team} if team is not None or private else {}


def required_team(team: str | None, private: bool) -> str | None:
    """The team that shall see something; None if only its owner shall."""
    if (team is None) != private:
        raise WrongUse("give either a team or --private")
    return team


def visible_to(name: str, team: str | None) -> str:
    """Who sees a job or a data set, as a sentence."""
    return f"{name} is visible to {'you' if team is None else f'the team {team}'}"


def share(
    context: typer.Context,
    job_id: JobId,
    team: TeamOrNone = None,
    private: Private = False,
    as_json: Json = False,
) -> None:
    """Make a job visible to a team, or to you alone. The team can read and reuse it."""
    wanted = required_team(team, private)
    with open_client(context) as client:
        job = client.share(job_id, wanted)
    put_json(job) if as_json else say(visible_to(job.id, job.team))


def queue(context: typer.Context, as_json: Json = False) -> None:
    """Show who uses the workers, and the unfinished jobs that you may see."""
    with open_client(context) as client:
        found = client.send(requests.queue())
    if as_json:
        put_json(found)
        return
    put_table(load_table(found))
    if found.jobs:
        put("")
        put_table(job_table(found.jobs))


@teams.command("list")
def list_teams(context: typer.Context, as_json: Json = False) -> None:
    """List your teams; administrators see all teams."""
    with open_client(context) as client:
        found = client.send(requests.teams())
    put_json(found) if as_json else put_table(team_table(found.teams))


@teams.command("set")
def put_team(
    context: typer.Context,
    name: _TeamName,
    weight: Annotated[
        float | None,
        typer.Option(
            help="Share of the workers of the whole team (default: each member has a share)."
        ),
    ] = None,
    max_running: Annotated[int | None, typer.Option(min=0, help="The most runs at once.")] = None,
    max_queued: Annotated[int | None, typer.Option(min=0, help="The most unfinished jobs.")] = None,
    max_stored_bytes: Annotated[
        int | None, typer.Option(min=0, help="The most bytes of files and data sets.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a team, or set its quota. Options that are not given mean unlimited."""
    quota = {
        "weight": weight,
        "max_running": max_running,
        "max_queued": max_queued,
        "max_stored_bytes": max_stored_bytes,
    }
    with open_client(context) as client:
        team = client.send(requests.put_team(name, quota))
    put_json(team) if as_json else put_table(team_table([team]))


@teams.command("add")
def add_member(
    context: typer.Context,
    name: _TeamName,
    owner: _Owner,
    home: Annotated[
        bool | None,
        typer.Option(
            help="Whether the owner's jobs count for the quota of this team "
            "(default: if they count for no other)."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add an owner to a team. Members see what is visible to the team."""
    with open_client(context) as client:
        team = client.send(requests.add_member(name, owner, home=home))
    put_json(team) if as_json else put_table(team_table([team]))


@teams.command("remove")
def remove_member(
    context: typer.Context, name: _TeamName, owner: _Owner, as_json: Json = False
) -> None:
    """Remove an owner from a team. Shared jobs and data sets stay visible to the team."""
    with open_client(context) as client:
        team = client.send(requests.remove_member(name, owner))
    put_json(team) if as_json else put_table(team_table([team]))


@teams.command("delete")
def delete_team(context: typer.Context, name: _TeamName, as_json: Json = False) -> None:
    """Delete a team that has no members, jobs and data sets."""
    with open_client(context) as client:
        client.send(requests.delete_team(name))
    put_json({"deleted": name}) if as_json else say(f"deleted {name}")
