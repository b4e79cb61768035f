"""What most commands share: which service they talk to, and the shape of their arguments."""

from dataclasses import dataclass
from typing import Annotated

import typer

from service.client import Client

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dataclass(frozen=True)
class Connection:
    """Which service the commands talk to."""

    server: str | None
    key: str | None


def open_client(context: typer.Context) -> Client:
    """A client of the service that the command line names."""
    assert isinstance(context.obj, Connection)
    return Client(context.obj.server, context.obj.key)
