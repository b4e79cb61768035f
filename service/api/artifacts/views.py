"""Views: files that are created when they are first fetched."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy.orm import Session

from lth.results.artifacts import (
    CSV,
    FORMATS,
    JOB,
    JOB_PICTURES,
    JSON,
    LEVELS,
    MEDIA_TYPES,
    RUN_PICTURES,
    SUMMARY,
    Format,
    sources,
)
from service.store.errors import NotThere
from service.store.runs import artifacts, runs
from service.store.runs.runs import WithResult
from service.store.tables import Artifact, Job


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be drawn, in every format of its job.

    Attributes:
        run_id, run: the run that it shows; None and `lth.results.artifacts.JOB` for the whole job.
        name: name within the run, without the extension.
        formats: its extensions.
        sources: names within the run of the files from which it is drawn.
        last: number of the last level of the run that it shows.
        final: whether later results cannot change it.
    """

    run_id: uuid.UUID | None
    run: str
    name: str
    formats: tuple[Format, ...]
    sources: tuple[str, ...] = ()
    last: int = 0
    final: bool = False

    @property
    def files(self) -> dict[str, str]:
        """The media type of each file of the view, by its name in the job."""
        return {f"{self.run}/{self.name}.{one}": MEDIA_TYPES[one] for one in self.formats}


@dataclass(frozen=True, slots=True)
class Report:
    """A report over all results of a job.

    Attributes:
        name: `lth.results.artifacts.SUMMARY` or `lth.results.artifacts.LEVELS`.
    """

    run_id: ClassVar[None] = None
    final: ClassVar[bool] = False
    name: str

    @property
    def files(self) -> dict[str, str]:
        """Its media type, by its name in the job."""
        return {f"{JOB}/{self.name}": _REPORTS[self.name]}


_REPORTS = {SUMMARY: JSON, LEVELS: CSV}

View = Picture | Report


@dataclass(frozen=True, slots=True)
class Unmade:
    """A file by its name in the job, with the view that creates it."""

    name: str
    view: View


def views(
    job: Job, finished: Sequence[WithResult], stored: Collection[str], *, whole: bool = True
) -> Iterator[View]:
    """The views of a job.

    Args:
        job: the job; its spec chooses the formats of pictures.
        finished: its runs that have a result.
        stored: the names of their files.
        whole: whether to include views of the whole job.
    """
    formats = FORMATS[job.spec.get("plots", "none")]
    if whole and finished:
        yield Report(LEVELS)
    if whole and finished and job.kind != "model":
        yield Report(SUMMARY)
        yield from (Picture(None, JOB, name, formats) for name in JOB_PICTURES)
    for run in finished:
        for name in RUN_PICTURES:
            needed = sources(name, run.last)
            if all(f"{run.key}/{file}" in stored for file in needed):
                yield Picture(
                    run.id, run.key, name, formats, needed, last=run.last, final=not run.partial
                )


def find(session: Session, job: Job, name: str) -> Artifact | Unmade:
    """A file of a job, stored or as a view.

    Raises:
        NotThere: if the job does not have this file, or not yet.
    """
    artifact = artifacts.find(session, job.id, name)
    if artifact is not None:
        return artifact
    run = name.partition("/plots/")[0]
    if name.startswith(f"{JOB}/"):
        finished = runs.with_result(session, job.id, most=1)
    else:
        finished = runs.with_result(session, job.id, key=run)
    stored = {file.name for one in finished for file in artifacts.of_run(session, one.id)}
    for view in views(job, finished, stored):
        if name in view.files:
            return Unmade(name, view)
    raise NotThere(f"the job '{job.id}' has no artifact '{name}'")


def find_plot(session: Session, job: Job, plot: str, run: str | None = None) -> Artifact | Unmade:
    """A picture of a run, or of the job; without a run, of the job or of its first finished run.

    Raises:
        NotThere: if there is none, or not yet.
    """
    first = [one.key for one in runs.with_result(session, job.id, most=1)]
    for key in [run] if run else [JOB, *first]:
        with suppress(NotThere):
            return find(session, job, f"{key}/plots/{plot}")
    where = f"the run '{run}' of the job '{job.id}'" if run else f"the job '{job.id}'"
    raise NotThere(f"{where} has no 'plots/{plot}'")
