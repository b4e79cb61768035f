"""Files that are made when they are first fetched: which a job has, from what is stored of it."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.orm import Session

from lth.artifacts import FORMATS, RUN_PICTURES, Format, sources
from service.store import artifacts, runs
from service.store.errors import NotThere
from service.store.runs import Finished
from service.store.tables import Artifact, Job


@dataclass(frozen=True, slots=True)
class View:
    """A picture that can be drawn, in every format that its job wants.

    Attributes:
        run_id, run: the run that it shows.
        picture: its name within the run, without the ending.
        formats: its endings.
        sources: names within the run of the files that it is drawn from.
    """

    run_id: uuid.UUID
    run: str
    picture: str
    formats: tuple[Format, ...]
    sources: tuple[str, ...]

    @property
    def files(self) -> dict[str, Format]:
        """The names in the job of the files that it becomes."""
        return {f"{self.run}/{self.picture}.{ending}": ending for ending in self.formats}


@dataclass(frozen=True, slots=True)
class Undrawn:
    """A file by its name in the job, and the view that becomes it."""

    name: str
    view: View


def views(job: Job, finished: Sequence[Finished], stored: Collection[str]) -> Iterator[View]:
    """The pictures of runs that can be drawn.

    Args:
        job: whose spec says in which formats they are wanted.
        finished: runs of it that have a result.
        stored: the names of their files.
    """
    formats = FORMATS[job.spec.get("plots", "none")]
    for run in finished:
        for picture in RUN_PICTURES:
            needed = sources(picture, run.last)
            if formats and all(f"{run.key}/{name}" in stored for name in needed):
                yield View(run.id, run.key, picture, formats, needed)


def find(session: Session, job: Job, name: str) -> Artifact | Undrawn:
    """A file of a job, as it is stored or as a view that becomes it.

    Raises:
        NotThere: when the job has no such file (yet).
    """
    artifact = artifacts.find(session, job.id, name)
    if artifact is not None:
        return artifact
    run, slash, _ = name.partition("/plots/")
    finished = runs.finished(session, job.id, run) if slash else []
    stored = {file.name for one in finished for file in artifacts.of_run(session, one.id)}
    for view in views(job, finished, stored):
        if name in view.files:
            return Undrawn(name, view)
    raise NotThere(f"the job '{job.id}' has no artifact '{name}'")


def find_plot(session: Session, job: Job, plot: str, run: str | None = None) -> Artifact | Undrawn:
    """A picture of this run, if one is given, or of the job, or else of its first finished run.

    Raises:
        NotThere: when there is none (yet).
    """
    first = [one.key for one in runs.finished(session, job.id)[:1]]
    for key in [run] if run else ["report", *first]:
        with suppress(NotThere):
            return find(session, job, f"{key}/plots/{plot}")
    where = f"the run '{run}' of the job '{job.id}'" if run else f"the job '{job.id}'"
    raise NotThere(f"{where} has no 'plots/{plot}'")
