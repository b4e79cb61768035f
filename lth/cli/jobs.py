"""Commands for jobs: submit, list, show, watch, fetch."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.text import Text

from lth.cli.connection import CancelOnAbort, JobId, Json, Timeout, open_client
from lth.cli.exits import WrongUse
from lth.cli.following import Limits, following
from lth.cli.screen import err, put, put_json, put_table, say, say_json
from lth.cli.tables import artifact_table, job_table, level_table, run_table, state
from lth.cli.teams import Private, Team, chosen_team
from lth.cli.watching import show_events
from lth.client import Artifact, Client, Job, Results, Run
from lth.client.documents import plain_document
from lth.client.errors import BadDocument, ClientError, Invalid, JobNotSucceeded
from lth.client.models import how_it_ended
from lth.results.artifacts import JOB
from lth.results.summary import Summary
from lth.results.warnings import remarks

_MARK = ".lth-job"
"""The file in a directory of fetched files that has the id of their job."""
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")


class _State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (submit, list_jobs, show, watch, fetch):
        name = "list" if command is list_jobs else command.__name__
        app.command(name)(command)


def submit(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="The spec, YAML or JSON; - is standard input. Several specs are several jobs.",
        ),
    ],
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Follow the job, then show its results.")
    ] = False,
    label: Annotated[
        list[str] | None, typer.Option(help="A label KEY=VALUE; may be repeated.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The name of the job in lists.")] = None,
    priority: Annotated[
        int | None, typer.Option(min=0, max=100, help="0 to 100; higher starts earlier.")
    ] = None,
    pool: Annotated[str | None, typer.Option(help="The pool of workers.")] = None,
    team: Team = None,
    private: Private = False,
    max_seconds: Annotated[
        int | None,
        typer.Option(min=1, help="Limit on the device seconds of all runs together."),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="A second submission with the same key returns the same job.")
    ] = None,
    timeout: Timeout = None,
    cancel_on_abort: CancelOnAbort = False,
    as_json: Json = False,
) -> None:
    """Submit experiments."""
    labels = _labels(label or ())
    _check_idempotency_key(idempotency_key)
    if idempotency_key is not None and len(files) > 1:
        raise WrongUse("an idempotency key is for one job; submit one file with it")
    chosen = {"name": name, "priority": priority, "pool": pool, "max_seconds": max_seconds}
    fields: Any = {field: value for field, value in chosen.items() if value is not None}
    fields |= {"labels": labels, **chosen_team(team, private)}
    documents = [plain_document(file, fields) for file in files]
    with open_client(context) as client:
        if len(files) > 1:
            _check_all(client, dict(zip(files, documents, strict=False)))
        submitted = []
        for document in documents:
            job = client.submit(document, idempotency_key=idempotency_key)
            submitted.append(job)
            if not as_json:
                put(job.id)
            elif wait:  # The id comes first, for scripts that are interrupted later.
                say_json({"submitted": job.id})
            else:
                put_json(job)
            if not (as_json or wait):
                say(f"{job.state}, runs: {job.runs_total}; follow it with: lth watch {job.id}")
            _say_remarks(client, job, document)
        if wait:
            limits = Limits(timeout, cancel_on_abort)
            with following(client, [job.id for job in submitted], limits):
                for job in submitted:
                    if len(submitted) > 1 and not as_json:
                        say(f"{job.id}  {job.name}")
                    _follow(client, job.id, quiet=as_json)
            _show_ends(client, [job.id for job in submitted], as_json=as_json)


def list_jobs(
    context: typer.Context,
    states: Annotated[
        list[_State] | None,
        typer.Option("--state", help="Only jobs in this state; may be repeated."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Only jobs with this label KEY=VALUE; may be repeated.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Only jobs with this text in their name.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Only jobs of this owner.")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only your own jobs.")] = False,
    team: Annotated[str | None, typer.Option(help="Only jobs that this team sees.")] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Only jobs on this data set: a kind such as mnist, or an uploaded id."),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Only jobs with this network, such as conv-2.")
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Only jobs whose best accuracy is at least this, 0 to 1."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only jobs from this time on (local time).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Only jobs before this time (local time).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most jobs to list.")] = 20,
    as_json: Json = False,
) -> None:
    """List your jobs and those that your teams see, newest first.

    The best accuracy is the highest test accuracy at an early stop, over all runs and levels.
    """
    labels = _labels(label or ())
    with open_client(context) as client:
        jobs = client.jobs(
            states=[one.value for one in states or ()],
            labels=labels,
            text=text,
            owner=owner,
            mine=mine,
            team=team,
            dataset=dataset,
            network=network,
            min_accuracy=min_accuracy,
            created_from=since.astimezone() if since else None,
            created_before=until.astimezone() if until else None,
            limit=limit,
        )
        found = list(jobs)
    put_json({"jobs": found}) if as_json else put_table(job_table(found))


def show(context: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Show a job, its runs and its results."""
    with open_client(context) as client:
        job, runs, results = client.job(job_id), client.runs(job_id), client.results(job_id)
        if as_json:
            put_json({"job": job, "runs": runs, "results": results.results})
        else:
            _put_job(job, runs)
            _put_results(client, job_id, results)


def watch(
    context: typer.Context,
    job_id: JobId,
    after: Annotated[int, typer.Option(min=0, help="Start after this event.")] = 0,
    timeout: Timeout = None,
    cancel_on_abort: CancelOnAbort = False,
    as_json: Json = False,
) -> None:
    """Follow a job until it is finished. Fails if the job does not succeed."""
    with open_client(context) as client:
        with following(client, [job_id], Limits(timeout, cancel_on_abort)):
            if as_json:
                for event in client.events(job_id, after=after):
                    put_json(event)
            else:
                _follow(client, job_id, after)
        if as_json:
            _check([client.job(job_id)])
        else:
            _show_ends(client, [job_id], as_json=False)


def fetch(
    context: typer.Context,
    job_id: JobId,
    to: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Directory for the files (default: results/ and the job's id)."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only files with this ending, such as masks.npz; may be repeated."),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also fetch the pictures of each run if the job compares runs."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetch a job's files: masks, weights, plots, tables, reports."""
    with open_client(context) as client:
        found = client.artifacts(job_id)
        own_id = next((one.job_id for one in found), job_id)
        to = _own_directory(to or Path("results", own_id), own_id)
        if only:
            wanted = _ending(found, only)
        else:
            wanted = found if everything else _quickly_made(found)
            if left := len(found) - len(wanted):
                say(f"{left} pictures of single runs are left out; --all fetches them too")
        # Pictures that must be drawn come last, because drawing many takes a while.
        wanted = sorted(wanted, key=lambda one: one.size is None)
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
        bars = Progress(*columns, console=err, disable=as_json or not err.is_terminal)
        with bars:
            sizes = [one.size for one in wanted if one.size is not None]
            whole = sum(sizes) if len(sizes) == len(wanted) else None
            task = bars.add_task("fetching", total=whole)
            for one in wanted:
                client.download(one, to, progress=lambda count: bars.advance(task, count))
        if any(one.digest is None for one in wanted):
            names = {one.name for one in wanted}
            wanted = [one for one in client.artifacts(job_id) if one.name in names]
    if as_json:
        put_json({"folder": str(to), "artifacts": wanted})
    else:
        put_table(artifact_table(wanted))
        put(f"{len(wanted)} files in {to}")


def _own_directory(directory: Path, job_id: str) -> Path:
    """The directory, if it does not have the files of another job; it is marked as this job's."""
    mark = directory / _MARK
    if mark.exists() and (other := mark.read_text().strip()) != job_id:
        raise WrongUse(f"{directory} has the files of {other}; give another directory with --out")
    directory.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{job_id}\n")
    return directory


def _put_job(job: Job, runs: Sequence[Run]) -> None:
    name = f"  {job.name}" if job.name else ""
    put(Text.assemble((job.id, "bold"), name, "  ", state(job.state)))
    if job.team is not None:
        put(f"owner: {job.owner}; visible to the team {job.team}")
    if job.waiting:
        put(f"waits: {job.waiting.detail} (queue position {job.waiting.position})")
    if job.max_seconds is not None and job.seconds is not None:
        put(f"took {job.seconds:,.0f} of {job.max_seconds:,} seconds on devices")
    if job.failure:
        put(f"{job.failure.reason} in {job.failure.run}: {job.failure.message}")
    put_table(run_table(runs))


def _put_results(client: Client, job_id: str, results: Results) -> None:
    """A table of levels: statistics over several trials, or the results of each experiment."""
    if not results.results:
        return
    put("")
    if partial := [one.run for one in results.results if one.result.partial]:
        shown = ", ".join(partial) if len(partial) < 3 else f"{len(partial)} runs"
        put(f"so far: {shown} will have more levels")
    if len({one.result.trial for one in results.results}) > 1:
        put(str(Summary.model_validate(client.summary(job_id)["summary"])))
    else:
        put_table(level_table(results))
        for remark in remarks([one.result for one in results.results]):
            put(remark)


def _check_all(client: Client, documents: Mapping[Path, Mapping[str, Any]]) -> None:
    """Check several specs, so that none is submitted if one of them is wrong.

    Raises:
        BadDocument: if one of them is wrong; it has the name of the file.
    """
    for file, document in documents.items():
        try:
            client.estimate(document)
        except Invalid as error:
            raise BadDocument(f"{file}: {error}", error.wrong, str(file)) from None


def _check_idempotency_key(key: str | None) -> None:
    """Refuse a key that cannot be sent in a header."""
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise typer.BadParameter(
            f"{key!r} is not an idempotency key; give 1 to 255 letters, digits and signs of ASCII, "
            "without spaces, such as pipeline-42"
        )


def _labels(pairs: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(
                f"'{pair}' is not a label; write KEY=VALUE, such as team=vision"
            )
        labels[name] = value
    return labels


def _ending(found: Sequence[Artifact], endings: Sequence[str]) -> list[Artifact]:
    """The files with these endings. Each ending must match, so that a script misses no file."""
    for ending in endings:
        if not any(one.name.endswith(ending) for one in found):
            last = dict.fromkeys(one.name.rpartition("/")[2] for one in found)
            there = ", ".join(last) or "none yet"
            raise typer.BadParameter(f"no file has the ending '{ending}'; the job has: {there}")
    return [one for one in found if one.name.endswith(tuple(endings))]


def _quickly_made(found: Sequence[Artifact]) -> list[Artifact]:
    """All files, without the pictures of each run if other pictures compare the runs."""
    whole = f"{JOB}/"
    if not any(one.name.startswith(f"{whole}plots/") for one in found):
        return list(found)
    return [one for one in found if one.name.startswith(whole) or "/plots/" not in one.name]


def _say_remarks(client: Client, job: Job, document: Mapping[str, Any]) -> None:
    """Say why a job waits, and the remarks on its plan."""
    with suppress(ClientError):  # The job is submitted, whatever happens to these requests.
        if waiting := client.job(job.id).waiting:
            say(f"waits: {waiting.detail}")
        for remark in client.estimate(document).remarks:
            say(remark)


def _follow(client: Client, job_id: str, after: int = 0, *, quiet: bool = False) -> None:
    events = client.events(job_id, after=after)
    if quiet:
        for _ in events:
            pass
    else:
        show_events(events)


def _show_ends(client: Client, job_ids: Sequence[str], *, as_json: bool) -> None:
    """Show the results of all jobs, and then fail if one of them did not succeed."""
    jobs = [client.job(job_id) for job_id in job_ids]
    for job in jobs:
        results = client.results(job.id)
        if as_json:
            put_json({"job": job, "results": results.results})
            continue
        if len(jobs) > 1:
            put(Text.assemble("\n", (job.id, "bold"), f"  {job.name}  ", state(job.state)))
        _put_results(client, job.id, results)
    _check(jobs)


def _check(jobs: Sequence[Job]) -> None:
    if unlucky := [how_it_ended(job) for job in jobs if job.state != "succeeded"]:
        raise JobNotSucceeded("\n".join(unlucky))
