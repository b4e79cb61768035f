"""The commands of servers: migrate, api, beat, worker, backup, restore, verify.

They are configured by the environment (``LTH_DATABASE_URL``, ...). `lth up` starts the same
processes.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lth.cli.connection import Json
from lth.cli.exits import Exit
from lth.cli.screen import put_json, say
from service.cli.extras import require
from service.stack.data_directory import DataDirectory
from service.stack.errors import StackError
from service.stack.parts.commands import api_command, beat_command, worker_command

if TYPE_CHECKING:
    from service.settings import Settings
    from service.stack.backup import Saved
    from service.stack.verify import Finding, Verified

_PANEL = "For servers"
DataDir = Annotated[
    Path | None, typer.Option(help="Data directory of the local stack (default: as for 'lth up')")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (migrate, api, beat, worker, backup, restore, verify):
        app.command(rich_help_panel=_PANEL)(command)


def migrate() -> None:
    """Update the tables of LTH_DATABASE_URL. Safe to run again, and at the same time."""
    from service.stack.environment import read_settings, using_database
    from service.store.migrate import migrate as bring_up_to_date

    database_url = read_settings().database_url
    with using_database(database_url):
        bring_up_to_date(database_url)
    say("the tables are up to date")


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
) -> None:
    """Run the HTTP API in this process."""
    _become(api_command(host, port))


def beat() -> None:
    """Run the sweeper, the housekeeping and the webhooks. One process is enough."""
    require("worker")
    _become(beat_command())


def worker() -> None:
    """Run the workers of this machine: one for each GPU, or for each core."""
    require("worker")
    _become(worker_command())


def backup(
    file: Annotated[Path, typer.Argument(help="The backup to write, such as lth.tar.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write the database and all blobs to one file. The service may run during a backup."""
    from service.stack.backup import backup as save

    with _service(data_dir, may_run=True) as settings:
        saved = save(settings, file)
    if as_json:
        put_json(_plain(saved))
    else:
        say(f"{saved.jobs} jobs and {saved.blobs} blobs ({saved.bytes:,} bytes) in {file}")
    _report(saved.findings, "left out of the backup")


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The backup.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Fill an empty service from a backup. The service must not run."""
    from service.stack.backup import restore as put_back

    with _service(data_dir, may_run=False) as settings:
        saved = put_back(settings, file)
    if as_json:
        put_json(_plain(saved))
    else:
        say(f"{saved.jobs} jobs and {saved.blobs} blobs restored")
    _report(saved.findings, "not in the backup")


def verify(
    requeue: Annotated[
        bool,
        typer.Option(help="Queue the affected runs again. They produce the same files."),
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Read every stored file, and report those that are missing or damaged.

    The service may run. The exit code is 10 if a file is missing or damaged.
    """
    from service.stack.verify import verify as read_all

    with _service(data_dir, may_run=True) as settings:
        verified = read_all(settings, requeue=requeue)
    if as_json:
        put_json(_plain(verified))
    else:
        say(f"{verified.blobs} blobs ({verified.bytes:,} bytes) were read")
        for job_id in verified.queued:
            say(f"runs of {job_id} are queued again")
    _report(verified.findings, "missing or damaged")


def _report(findings: "Sequence[Finding]", what: str) -> None:
    """Report blobs with a problem; exit with 10 if there are any."""
    if not findings:
        return
    for finding in findings:
        say(str(finding))
    say(f"{len(findings)} blobs are {what}")
    raise typer.Exit(Exit.DAMAGED)


def _plain(result: "Saved | Verified") -> dict[str, Any]:
    """A result as plain data for JSON."""
    return json.loads(json.dumps(asdict(result), default=str))


def _become(command: list[str]) -> None:
    """Check the settings, and replace this process by a command, so that it receives signals."""
    from service.stack.environment import read_settings

    read_settings()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)  # noqa: S606


@contextmanager
def _service(data_dir: Path | None, *, may_run: bool) -> "Iterator[Settings]":
    """The settings of the service: from the environment, or of the local stack."""
    from service.stack.environment import read_settings
    from service.stack.offline import stopped_stack

    if "LTH_DATABASE_URL" in os.environ:
        yield read_settings()
        return
    data = DataDirectory.named(data_dir)
    running = data.running()
    if running is not None and not may_run:
        raise StackError(f"a stack runs on {data.directory} (process {running.pid}); stop it first")
    if running is not None:
        yield read_settings(
            database_url=running.database_url, object_store_url=running.object_store_url
        )
        return
    if may_run and not data.postgres.exists():
        raise StackError(f"{data.directory} has no data of a stack; set --data-dir")
    with stopped_stack(data) as settings:
        yield settings
