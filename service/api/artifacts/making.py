"""Creates views: draws pictures and writes reports from stored results, and stores them."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from lth.results.artifacts import LEVELS, as_json
from lth.results.records import as_csv, records
from lth.results.statistics import summarise_job
from lth.spec.document import parse_spec
from service.api.artifacts.views import Picture, Report, View
from service.drawing.artist import Artist
from service.drawing.messages import Order
from service.store.blobs import saving
from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.runs import artifacts, runs
from service.store.states import JobState
from service.store.tables import Artifact, Job

Files = Mapping[str, Artifact]
"""Files by their name in the job."""


class Maker:
    """Creates each view once, even if several requests ask for it at the same time."""

    def __init__(self, database: Database, blobs: Blobs, artist: Artist) -> None:
        self._database = database
        self._blobs = blobs
        self._artist = artist
        self._making: dict[tuple[str, JobState, int, View], asyncio.Task[Files]] = {}

    async def make(self, job: Job, view: View) -> Files:
        """Create the files of a view; store them if later results cannot change them.

        Raises:
            NotDrawnNow: if too many pictures are waiting, or drawing takes too long.
            DrawingFailed: if it cannot be drawn.
        """
        # A client that saw an event must not get a view that was begun before it.
        key = (job.id, job.state, job.events, view)
        if key not in self._making:
            task = self._making[key] = asyncio.create_task(self._make(job, view))
            task.add_done_callback(lambda _: self._making.pop(key))
        return await asyncio.shield(self._making[key])

    async def _make(self, job: Job, view: View) -> Files:
        if isinstance(view, Picture):
            order, digests = await run_in_threadpool(self._order, job, view)
            drawn = await self._artist.draw(order, partial(self._gather, digests))
            contents = [drawn[one] for one in view.formats]
        else:
            contents = [await run_in_threadpool(self._report, job, view)]
        return await run_in_threadpool(self._keep, job, view, contents)

    def _order(self, job: Job, picture: Picture) -> tuple[Order, dict[str, str]]:
        """The order for the drawing process, with the digests of the files that it reads."""
        with self._database.transaction() as session:
            results = runs.documents(session, job.id, picture.run_id)
            if picture.run_id is not None:  # Another level may have been finished meanwhile.
                results = [_up_to(picture.last, result) for result in results]
            digests = {
                name: artifacts.get(session, job.id, f"{picture.run}/{name}").digest
                for name in picture.sources
            }
        order = Order(
            picture=picture.name,
            formats=picture.formats,
            of_job=picture.run_id is None,
            spec=job.spec,
            results=tuple(results),
        )
        return order, digests

    def _gather(self, digests: Mapping[str, str]) -> dict[str, bytes]:
        return {name: self._blobs.get(digest) for name, digest in digests.items()}

    def _report(self, job: Job, report: Report) -> bytes:
        with self._database.transaction() as session:
            found = [result for _, result in runs.results(session, job.id)]
        if report.name == LEVELS:
            return as_csv(records(found))
        return as_json(summarise_job(parse_spec(job.spec), found).model_dump(mode="json"))

    def _keep(self, job: Job, view: View, contents: Sequence[bytes]) -> Files:
        """Save blobs first and rows after; no rows for files that later results change."""
        kept = saving.save_all(self._database, self._blobs, contents)
        made = {
            name: Artifact(
                job_id=job.id,
                name=name,
                run_id=view.run_id,
                digest=blob.digest,
                media_type=media_type,
                size=blob.size,
            )
            for (name, media_type), blob in zip(view.files.items(), kept, strict=True)
        }
        # A failed job may be retried; only success is final.
        if view.final or job.state is JobState.SUCCEEDED:
            with self._database.transaction() as session:
                artifacts.add(session, list(made.values()))
        return made


def _up_to(last: int, result: dict[str, Any]) -> dict[str, Any]:
    """A result up to one of its levels."""
    return {**result, "levels": result["levels"][: last + 1]}


async def _maker(request: Request) -> Maker:
    return request.app.state.maker


MakerDep = Annotated[Maker, Depends(_maker)]
