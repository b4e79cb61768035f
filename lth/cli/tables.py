"""Jobs, runs and results as tables."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from lth.client import Artifact, Job, Results, Run
from lth.client.models import Key, NamedDataset, Owner, Queue, StoredDataset, Team, Worker
from lth.core.sizes import size_text
from lth.results.schemas import At, LevelResult

_COLOURS = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "queued": "blue",
    "blocked": "bright_black",
}


_BEGINNING = 20
"""Characters of an id in a table: its time and twelve random bits."""


def table(*columns: str) -> Table:
    """An empty table. Columns that begin with ``>`` have numbers, those with ``~`` text."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        name = column.lstrip(">~")
        if column.startswith("~"):
            made.add_column(name, overflow="fold")
        else:
            justify = "right" if column.startswith(">") else "left"
            made.add_column(name, justify=justify, no_wrap=True)
    return made


def job_table(jobs: Sequence[Job]) -> Table:
    """One row for each job, with the beginning of its id, which is enough for other commands.

    The owner is shown if there are several.
    """
    several = len({job.owner for job in jobs}) > 1
    columns = ("job", "state", "date", ">best", "~name", "~data", "~network")
    made = table(*columns, *(("~owner",) if several else ()))
    for job in jobs:
        cells = (
            job.id[:_BEGINNING],
            _state_and_runs(job),
            f"{job.created_at.astimezone():%m-%d %H:%M}",
            "" if job.best_accuracy is None else f"{job.best_accuracy:.1%}",
            job.name,
            (job.dataset or "")[:_BEGINNING],
            job.network or "",
        )
        made.add_row(*cells, *((job.owner,) if several else ()))
    return made


def _state_and_runs(job: Job) -> Text:
    """The state of a job, and how many of its runs have ended if it is not finished."""
    name = state(job.state)
    return name if job.finished else name.append(f" {job.runs_finished}/{job.runs_total}")


def run_table(runs: Iterable[Run]) -> Table:
    """One row for each run."""
    made = table("run", "state", ">attempt", ">took", "~worker", "~progress")
    for run in runs:
        failure = f"{run.failure.reason}: {run.failure.message}" if run.failure else ""
        made.add_row(
            run.key,
            state(run.state),
            str(run.attempt),
            _span(run.started_at, run.finished_at),
            run.worker or "",
            failure or _progress(run),
        )
    return made


def level_table(results: Results) -> Table:
    """One row for each level of each experiment, with accuracies in percent. Fits 80 columns."""
    several = len(results.results) > 1
    names = ("level", ">density", ">stop at", ">valid.", ">test", ">at end")
    made = table(*(("run", *names) if several else (*names, ">samples/s")))
    for one in results.results:
        for number, level in enumerate(one.result.levels):
            cells = _level_cells(level)
            run = one.run if number == 0 else ""
            speed = f"{level.samples_per_second:,.0f}"
            made.add_row(*((run, *cells) if several else (*cells, speed)))
        made.add_section()
    return made


def artifact_table(artifacts: Sequence[Artifact]) -> Table:
    """One row for each file."""
    made = table("file", ">size", "type")
    for artifact in artifacts:
        size = "not made yet" if artifact.size is None else f"{artifact.size:,} bytes"
        made.add_row(artifact.name, size, artifact.media_type)
    return made


def worker_table(workers: Iterable[Worker]) -> Table:
    """One row for each worker."""
    made = table("worker", "state", "pools", "device", ">memory", ">seen", "~run")
    for worker in workers:
        job = f"{worker.job_id} {worker.run}" if worker.job_id else worker.why or ""
        if worker.owner:
            job = f"{worker.owner} {job}".rstrip()
        memory = size_text(worker.memory_used) if worker.memory_used else ""
        if worker.memory_total:
            memory += f" of {size_text(worker.memory_total)}"
        seen = f"{worker.heartbeat_seconds:.0f} s ago"
        pools = ",".join(worker.pools)
        made.add_row(worker.id, worker.state, pools, worker.device, memory, seen, job)
    return made


def key_table(keys: Iterable[Key]) -> Table:
    """One row for each key."""
    made = table("key", "prefix", "role", "used", "~valid", "~owner", "~name")
    for key in keys:
        ended = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
        until = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "yes"
        used = f"{key.used_at:%Y-%m-%d}" if key.used_at else "never"
        made.add_row(key.id, key.prefix, key.role, used, ended or until, key.owner, key.name)
    return made


def owner_table(owners: Iterable[Owner]) -> Table:
    """One row for each owner, with usage and quota."""
    made = table("owner", ">weight", ">runs running", ">jobs unfinished", ">bytes stored")
    for one in owners:
        made.add_row(
            one.name,
            f"{one.quota.weight:g}",
            _of(one.running_runs, one.quota.max_running),
            _of(one.unfinished_jobs, one.quota.max_queued),
            _of(one.stored_bytes, one.quota.max_stored_bytes),
        )
    return made


def team_table(teams: Iterable[Team]) -> Table:
    """One row for each team, with members, usage and quota; ``*``: the team is not their home."""
    made = table(
        "team", ">weight", ">runs running", ">jobs unfinished", ">bytes stored", "~members"
    )
    for one in teams:
        quota = one.quota
        made.add_row(
            one.name,
            "" if quota.weight is None else f"{quota.weight:g}",
            _of(one.running_runs, quota.max_running),
            _of(one.unfinished_jobs, quota.max_queued),
            _of(one.stored_bytes, quota.max_stored_bytes),
            ", ".join(f"{member.owner}{'' if member.home else '*'}" for member in one.members),
        )
    return made


def load_table(queue: Queue) -> Table:
    """One row for each pool and owner."""
    made = table("pool", ">workers", ">idle", "~owner", ">running", ">queued")
    for pool in queue.pools:
        first = (pool.pool, f"{pool.workers}", f"{pool.idle}")
        for load in pool.loads:
            owner = load.owner or "(others)"
            made.add_row(*first, owner, f"{load.running:,}", f"{load.queued:,}")
            first = ("", "", "")
        if not pool.loads:
            made.add_row(*first, "", "0", "0")
    return made


def _of(has: int, may: int | None) -> str:
    return f"{has:,}" if may is None else f"{has:,} of {may:,}"


def dataset_table(named: Iterable[NamedDataset], uploaded: Iterable[StoredDataset]) -> Table:
    """One row for each data set: first those that a spec names by their kind."""
    made = table(
        "data set",
        "sample",
        ">classes",
        ">train",
        ">test",
        "~available",
        "~name",
        "~owner",
        "~team",
    )
    for one in named:
        made.add_row(one.kind, *_dataset_cells(one), _available(one), one.source, "", "")
    for one in uploaded:
        made.add_row(one.id, *_dataset_cells(one), "yes", one.name, one.owner, one.team or "")
    return made


def facts_table(one: NamedDataset | StoredDataset) -> Table:
    """The facts of a data set, one in each row."""
    made = table("fact", "~value")
    shape, *counts = _dataset_cells(one)
    facts: dict[str, str] = {"sample": shape}
    facts |= dict(zip(("classes", "train", "test"), counts, strict=True))
    if isinstance(one, NamedDataset):
        name = one.kind
        facts |= {"source": one.source, "available": _available(one), "about": one.description}
    else:
        name = one.id
        low_high = one.float_range
        facts |= {
            "validation": f"{one.validation:,}" if one.validation else "drawn by each trial",
            "class names": ", ".join(one.class_names or ()),
            "dtype": one.dtype or "",
            "values": f"{low_high[0]:g} to {low_high[1]:g}" if low_high else "",
            "format": one.format,
            "bytes": f"{one.size:,}",
            "name": one.name,
            "owner": one.owner,
            "team": one.team or "",
            "digest": one.digest,
        }
    for fact, value in {"data set": name, **facts}.items():
        if value:
            made.add_row(fact, value)
    return made


def _dataset_cells(one: NamedDataset | StoredDataset) -> tuple[str, ...]:
    shape = " x ".join(map(str, one.shape))
    return (shape, f"{one.classes:,}", f"{one.train:,}", f"{one.test:,}")


def _available(one: NamedDataset) -> str:
    if one.available is None:
        return "unknown: no worker has reported"
    if not one.available:
        return "no: a worker tries to download it"
    return f"in {', '.join(one.pools)}" if one.pools else "yes"


def state(name: str) -> Text:
    """A state in its color."""
    return Text(name, _COLOURS.get(name, "white"))


def _level_cells(level: LevelResult) -> tuple[str, ...]:
    stop = level.early_stop
    return (
        "dense" if level.level == 0 else f"{level.level}",
        f"{level.density:.2%}",
        f"{stop.iteration:,} it",
        _percent(stop, "validation"),
        _percent(stop, "test"),
        _percent(level.final, "test"),
    )


def _percent(at: At, split: str) -> str:
    return f"{getattr(at, split).accuracy:.2%}"


def _progress(run: Run) -> str:
    at = run.progress
    if not at or run.state != "running":
        return ""
    return f"level {at['level']}/{at['levels']}, {at['iteration']:,}/{at['iterations']:,} it"


def _span(start: datetime | None, end: datetime | None) -> str:
    if start is None:
        return ""
    seconds = ((end or datetime.now(UTC)) - start).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"
