"""Makes views: draws a picture from what is stored, and stores it for whoever comes next."""

import asyncio
from collections.abc import Mapping
from functools import partial

from starlette.concurrency import run_in_threadpool

from lth.artifacts import MEDIA_TYPES
from service.api.artifacts.views import View
from service.drawing.artist import Artist
from service.drawing.messages import Order
from service.store import artifacts, keeping, runs
from service.store.blobs import Blobs
from service.store.database import Database
from service.store.tables import Artifact, Job

Files = Mapping[str, Artifact]
"""By name in their job."""


class Maker:
    """Makes each view once, however many ask for it at the same time."""

    def __init__(self, database: Database, blobs: Blobs, artist: Artist) -> None:
        self._database = database
        self._blobs = blobs
        self._artist = artist
        self._making: dict[tuple[str, str, str], asyncio.Task[Files]] = {}

    async def make(self, job: Job, view: View) -> Files:
        """Draw a view, and store the files that it becomes.

        Raises:
            NotDrawnNow: when there is too much to be drawn, or it takes too long.
            DrawingFailed: when it cannot be drawn at all.
        """
        key = (job.id, view.run, view.picture)
        if key not in self._making:
            task = self._making[key] = asyncio.create_task(self._make(job, view))
            task.add_done_callback(lambda _: self._making.pop(key))
        return await asyncio.shield(self._making[key])

    async def _make(self, job: Job, view: View) -> Files:
        order, digests = await run_in_threadpool(self._order, job, view)
        drawn = await self._artist.draw(order, partial(self._gather, digests))
        return await run_in_threadpool(self._keep, job, view, drawn)

    def _order(self, job: Job, view: View) -> tuple[Order, dict[str, str]]:
        """What is to be drawn, and the digests of the files that it is drawn from."""
        with self._database.transaction() as session:
            result = runs.document(session, view.run_id)
            digests = {
                name: artifacts.get(session, job.id, f"{view.run}/{name}").digest
                for name in view.sources
            }
        order = Order(
            picture=view.picture,
            formats=view.formats,
            of_job=False,
            spec=job.spec,
            results=(result,),
        )
        return order, digests

    def _gather(self, digests: Mapping[str, str]) -> dict[str, bytes]:
        return {name: self._blobs.get(digest) for name, digest in digests.items()}

    def _keep(self, job: Job, view: View, drawn: Mapping[str, bytes]) -> Files:
        """Blobs first, rows after."""
        contents = (drawn[ending] for ending in view.formats)
        blobs = keeping.keep_all(self._database, self._blobs, contents)
        made = {
            name: Artifact(
                job_id=job.id,
                name=name,
                run_id=view.run_id,
                digest=blob.digest,
                media_type=MEDIA_TYPES[ending],
                size=blob.size,
            )
            for (name, ending), blob in zip(view.files.items(), blobs, strict=True)
        }
        with self._database.transaction() as session:
            artifacts.add(session, list(made.values()))
        return made
