"""Commands for submitted jobs: cancel, retry, delete, logs."""

from typing import Annotated

import typer
from rich.text import Text

from lth.cli.connection import JobId, Json, open_client
from lth.cli.screen import err, put, put_json, say
from lth.cli.tables import state
from lth.client import Job


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (cancel, retry, delete, logs):
        app.command()(command)


def cancel(context: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Cancel a job. Queued runs end at once, running ones at their next evaluation point."""
    with open_client(context) as client:
        job = client.cancel(job_id)
    _tell(job, as_json)
    if not job.finished:
        say("its running runs were ordered to stop")


def retry(
    context: typer.Context,
    job_id: JobId,
    afresh: Annotated[
        bool,
        typer.Option("--afresh", help="Start from the beginning instead of the last checkpoint."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Queue failed and cancelled runs again. Succeeded runs are kept."""
    with open_client(context) as client:
        _tell(client.retry(job_id, afresh=afresh), as_json)


def delete(context: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Delete a finished job, its results and its files."""
    with open_client(context) as client:
        client.delete(job_id)
    put_json({"deleted": job_id}) if as_json else say(f"deleted {job_id}")


def logs(
    context: typer.Context,
    job_id: JobId,
    run: Annotated[
        str | None, typer.Option(help="Key of one run, such as trial-1/ticket (default: all)")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the logs of a job's runs."""
    with open_client(context) as client:
        wanted = [run] if run else [one.key for one in client.runs(job_id)]
        texts = {key: client.log(job_id, key) for key in wanted}
    if as_json:
        put_json(texts)
        return
    for key, text in texts.items():
        if len(texts) > 1:
            err.rule(key, align="left")
        put(text.rstrip())


def _tell(job: Job, as_json: bool) -> None:
    if as_json:
        put_json(job)
    else:
        put(Text.assemble(f"{job.id} ", state(job.state)))
