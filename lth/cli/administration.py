"""Commands for workers, owners, keys and data sets."""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from lth.cli.connection import Json, open_client, pages
from lth.cli.exits import WrongUse
from lth.cli.screen import put, put_json, put_table, say
from lth.cli.tables import dataset_table, facts_table, key_table, owner_table, worker_table
from lth.cli.teams import Private, Team, TeamOrNone, chosen_team, required_team, visible_to
from lth.client import Client, NamedDataset, StoredDataset, requests
from lth.client.models import Key
from lth.client.tokens import new_token

keys = typer.Typer(
    no_args_is_help=True, help="Create, list and revoke API keys. For administrators."
)
datasets = typer.Typer(no_args_is_help=True, help="Upload data sets, list them, delete them.")
_DatasetId = Annotated[
    str,
    typer.Argument(
        metavar="DATASET", help="The data set's id, or its name, or the beginning of its id."
    ),
]
_Listed = TypeVar("_Listed", Key, StoredDataset)
_ID = re.compile("(ds|key)_[0-9a-f]{32}")
_SHOWN = 3


class _Role(StrEnum):
    READER = "reader"
    MEMBER = "member"
    ADMIN = "admin"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(workers)
    app.command()(owners)
    app.add_typer(keys, name="keys")
    app.add_typer(datasets, name="datasets")


def workers(context: typer.Context, as_json: Json = False) -> None:
    """List the workers with their state."""
    with open_client(context) as client:
        found = client.send(requests.workers())
    put_json(found) if as_json else put_table(worker_table(found.workers))


def owners(context: typer.Context, as_json: Json = False) -> None:
    """Show your usage and quota; administrators see all owners."""
    with open_client(context) as client:
        found = client.send(requests.owners())
    put_json(found) if as_json else put_table(owner_table(found.owners))


@keys.command("list")
def list_keys(context: typer.Context, as_json: Json = False) -> None:
    """List all keys, without their secrets."""
    with open_client(context) as client:
        found = [key for page in pages(client, requests.key_page) for key in page.keys]
    put_json({"keys": found}) if as_json else put_table(key_table(found))


@keys.command("new")
def new_key(
    context: typer.Context,
    owner: Annotated[str, typer.Argument(help="The owner of the key: a person or a team.")],
    role: Annotated[
        _Role,
        typer.Option(
            help="reader: read only; member: also submit jobs; admin: also manage keys and owners."
        ),
    ] = _Role.MEMBER,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    expires: Annotated[
        datetime | None, typer.Option(help="When the key expires (local time).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a key and print it. It is shown only once."""
    until = expires.astimezone() if expires else None
    with open_client(context) as client:
        made = client.send(requests.make_key(owner, role.value, name=name, expires_at=until))
    put_json(made) if as_json else put(made.key)


@keys.command("revoke")
def revoke_key(
    context: typer.Context,
    key_id: Annotated[
        str,
        typer.Argument(
            metavar="KEY", help="The key's id, or its name, or the beginning of its id."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Revoke a key. The jobs and data sets of its owner stay."""
    with open_client(context) as client:
        if not _ID.fullmatch(key_id):
            listed = [key for page in pages(client, requests.key_page) for key in page.keys]
            valid = [key for key in listed if key.revoked_at is None]
            key_id = _single(valid, key_id, "key", "keys").id
        key = client.send(requests.revoke_key(key_id))
    put_json(key) if as_json else say(f"revoked {key.id} of {key.owner}")


@keys.command("operator")
def operator_key(as_json: Json = False) -> None:
    """Print a new key for LTH_ADMIN_KEY, the first administrator's key of a service."""
    key = new_token()
    put_json({"key": key}) if as_json else put(key)


@datasets.command("list")
def list_datasets(context: typer.Context, as_json: Json = False) -> None:
    """List the data sets that a spec can name, and the uploaded ones."""
    with open_client(context) as client:
        listed = list(pages(client, requests.dataset_page))
    named = listed[0].named
    found = [dataset for page in listed for dataset in page.datasets]
    if as_json:
        put_json({"named": named, "datasets": found})
    else:
        put_table(dataset_table(named, found))


@datasets.command("show")
def show_dataset(context: typer.Context, dataset_id: _DatasetId, as_json: Json = False) -> None:
    """Show the facts of a data set: shapes, classes, counts, and remarks."""
    with open_client(context) as client:
        found = None if _ID.fullmatch(dataset_id) else _looked_up(client, dataset_id)
        if not isinstance(found, NamedDataset):  # A list has no names of classes.
            found = client.dataset(found.id if found else dataset_id)
    if as_json:
        put_json(found)
        return
    put_table(facts_table(found))
    for remark in found.remarks if isinstance(found, StoredDataset) else ():
        say(remark)


@datasets.command("upload")
def upload_dataset(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="An npz file of x_train and y_train (optionally x_test, y_test, x_val, y_val) or "
            "of x and y; a zip of class directories with PNG or JPEG images; a CSV or Parquet "
            "file.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name in lists (default: the name of the file)")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="The column of labels in a table (default: label)")
    ] = None,
    team: Team = None,
    private: Private = False,
    as_json: Json = False,
) -> None:
    """Upload a data set, and print its id for use in a spec."""
    seen_by = chosen_team(team, private)
    with open_client(context) as client:
        wanted = seen_by["team"] or "" if seen_by else None
        stored = client.upload_dataset(file, name=name, team=wanted, label_column=label_column)
    put_json(stored) if as_json else put(stored.id)
    for remark in () if as_json else stored.remarks:
        say(remark)


@datasets.command("share")
def share_dataset(
    context: typer.Context,
    dataset_id: _DatasetId,
    team: TeamOrNone = None,
    private: Private = False,
    as_json: Json = False,
) -> None:
    """Make a data set visible to a team, or to you alone."""
    wanted = required_team(team, private)
    with open_client(context) as client:
        changed = client.share_dataset(_uploaded_id(client, dataset_id), wanted)
    put_json(changed) if as_json else say(visible_to(changed.id, changed.team))


@datasets.command("delete")
def delete_dataset(context: typer.Context, dataset_id: _DatasetId, as_json: Json = False) -> None:
    """Delete a data set that no job uses."""
    with open_client(context) as client:
        found = _uploaded_id(client, dataset_id)
        client.delete_dataset(found)
    put_json({"deleted": found}) if as_json else say(f"deleted {found}")


def _uploaded_id(client: Client, text: str) -> str:
    if _ID.fullmatch(text):
        return text
    found = _looked_up(client, text)
    if isinstance(found, NamedDataset):
        raise WrongUse(f"'{text}' is not an uploaded data set")
    return found.id


def _looked_up(client: Client, text: str) -> NamedDataset | StoredDataset:
    """The data set with this kind, id or name, or whose id begins with this text."""
    listed = list(pages(client, requests.dataset_page))
    for one in listed[0].named:
        if one.kind == text:
            return one
    uploaded = [one for page in listed for one in page.datasets]
    return _single(uploaded, text, "data set", "datasets")


def _single(listed: Sequence[_Listed], text: str, what: str, commands: str) -> _Listed:
    """The one with this id or name, or whose id begins with this text.

    Raises:
        WrongUse: if there is none, or more than one.
    """
    ways = (
        [one for one in listed if one.id == text],
        [one for one in listed if one.name == text],
        [one for one in listed if one.id.startswith(text)],
    )
    for found in ways if text else ():
        if len(found) > 1:
            ids = ", ".join(one.id for one in found[:_SHOWN])
            raise WrongUse(f"{len(found)} {what}s match '{text}', such as {ids}; give an id")
        if found:
            return found[0]
    raise WrongUse(f"there is no {what} '{text}'; 'lth {commands} list' lists them")
