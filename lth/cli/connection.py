"""What most commands share: which service they talk to, and the shape of their arguments."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer

from lth.client import Client, requests
from lth.client.errors import ClientError
from lth.client.models import Page
from lth.client.requests import Request
from lth.client.retries import Retries

SomePage = TypeVar("SomePage", bound=Page)


def _recent_jobs(incomplete: str) -> list[tuple[str, str]]:
    """The newest jobs, for completion in a shell: quietly none when the service is away."""
    try:
        with Client(retries=Retries(attempts=1)) as client:
            jobs = client.send(requests.job_page(limit=20)).jobs
    except ClientError:
        return []
    return [(job.id, f"{job.state} {job.name}") for job in jobs if job.id.startswith(incomplete)]


JobId = Annotated[
    str,
    typer.Argument(
        metavar="JOB", help="The job's id.", show_default=False, autocompletion=_recent_jobs
    ),
]
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


def pages(client: Client, ask: Callable[[str | None], Request[SomePage]]) -> Iterator[SomePage]:
    """Every page of a list; `ask` makes the request for the one at a cursor."""
    page = client.send(ask(None))
    yield page
    while page.cursor is not None:
        page = client.send(ask(page.cursor))
        yield page
