"""What most commands share: the service that they use, and common arguments."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import typer

from lth.cli.completion import complete_job
from lth.client import Client
from lth.client.models import Page
from lth.client.requests import Request

SomePage = TypeVar("SomePage", bound=Page)


JobId = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="The job's id, or its name, or the beginning of its id.",
        show_default=False,
        autocompletion=complete_job,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0.1, help="Wait at most this many seconds; the exit code is 9 if the job has not ended."
    ),
]
CancelOnAbort = Annotated[
    bool,
    typer.Option(
        "--cancel-on-abort",
        help="Cancel the job if this command is interrupted, terminated, or waits too long.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dataclass(frozen=True)
class Connection:
    """The service that the commands use."""

    server: str | None
    key: str | None = field(repr=False)


def open_client(context: typer.Context) -> Client:
    """A client of the service that the options or the environment name."""
    assert isinstance(context.obj, Connection)
    return Client(context.obj.server, context.obj.key)


def pages(client: Client, ask: Callable[[str | None], Request[SomePage]]) -> Iterator[SomePage]:
    """All pages of a list; `ask` creates the request for the page at a cursor."""
    page = client.send(ask(None))
    yield page
    while page.cursor is not None:
        page = client.send(ask(page.cursor))
        yield page
