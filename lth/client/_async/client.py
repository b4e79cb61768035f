"""The client of the service."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from math import inf
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx
from httpx_sse import aconnect_sse

from lth.client import requests
from lth.client._async.proving import AsyncProvingTransport
from lth.client._async.routing import AsyncRoutingTransport
from lth.client.connecting import no_answer
from lth.client.documents import Document, JobFields
from lth.client.downloading import Download, Progress
from lth.client.errors import JobNotSucceeded, NotFinished, ServiceFailed, Unreachable, refusal
from lth.client.following import TIMEOUT as EVENTS_TIMEOUT
from lth.client.following import Following
from lth.client.locating import CONNECT_SECONDS, SECONDS, locate
from lth.client.models import (
    Artifact,
    Event,
    Job,
    NamedDataset,
    Plan,
    Results,
    Run,
    StoredDataset,
    Worker,
    how_it_ended,
)
from lth.client.requests import LARGEST_PAGE, Filters, Request
from lth.client.retries import Retries, should_retry
from lth.client.uploading import async_pieces, npz_of
from lth.datasets import ArrayDataset
from lth.results.records import Record, records

Answer = TypeVar("Answer")
_POLL_SECONDS = 1.0


class AsyncClient:
    """A connection to the service. Use it in a `with` statement, or call `close`.

    Args:
        server: address of the service; default ``LTH_SERVER``, or the local stack.
        key: API key; default ``LTH_API_KEY``, or the key of the local stack.
        retries: how often a request is sent again, and after how many seconds.
        timeout: the most seconds to wait for the next bytes of an answer; connections have 5 s.
        transport: the transport of httpx to use; for tests.

    Raises:
        Unreachable: if no address is set and no local stack runs.

    Examples:
        >>> async with AsyncClient() as client:
        ...     job = await client.submit({"kind": "model", "training": {"duration": "2ep"}})
        ...     job = await client.wait(job.id)

        The examples of the methods begin with `client` and this `job`.
    """

    def __init__(
        self,
        server: str | None = None,
        key: str | None = None,
        *,
        retries: Retries | None = None,
        timeout: float = SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.address = locate(server, key)
        self._retries = retries or Retries()
        self._http = httpx.AsyncClient(
            base_url=self.address.server,
            headers=self.address.headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            follow_redirects=True,
            transport=transport or self._transport(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections.

        Examples:
            >>> client = AsyncClient()
            >>> await client.close()
        """
        await self._http.aclose()

    async def send(self, request: Request[Answer]) -> Answer:
        """Send a request of `lth.client.requests`. Idempotent requests are retried.

        Raises:
            ClientError: see `lth.client.errors`.

        Examples:
            >>> from lth.client import requests
            >>> queue = await client.send(requests.queue())
            >>> [load.pool for load in queue.pools]
            ['cpu']
        """
        attempt = 0
        while True:
            attempt += 1
            last = attempt >= self._retries.attempts or not request.idempotent
            try:
                answer = await self._http.request(
                    request.method,
                    request.path,
                    params=dict(request.params),
                    headers=dict(request.headers),
                    json=request.json,
                    content=async_pieces(request.file) if request.file else None,
                    timeout=request.timeout or httpx.USE_CLIENT_DEFAULT,
                )
            except httpx.TransportError as error:
                if last:
                    raise no_answer(self.address.server, error) from error
                await asyncio.sleep(self._retries.wait(attempt))
                continue
            if answer.is_success:
                return request.read(answer)
            if last or not should_retry(answer):
                raise refusal(answer)
            await asyncio.sleep(self._retries.wait(attempt, answer))

    async def submit(
        self,
        document: Document,
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[JobFields],
    ) -> Job:
        """Submit a job.

        Args:
            document: the spec, with optional fields of the job such as `priority` or `pool`: plain
                data, a spec as `lth.parse_spec` returns it, or the path of a JSON or YAML file.
                The `dataset` of plain data may be an `lth.ArrayDataset`, which is uploaded, unless
                the service has it.
            idempotency_key: a second submission with the same key returns the same job.
            **fields: `name`, `labels`, `priority`, `pool`, `team`, `max_seconds`,
                `max_run_seconds`, `reuse` and `webhook` replace those of the document. Labels are
                added to its labels.

        Raises:
            Invalid: if the document is wrong; `wrong` lists the fields.
            SpecError: if it is not plain data.
            BadDocument: if it is a file without a mapping of plain data.
            OSError: if the file cannot be read.

        Examples:
            >>> job = await client.submit({"kind": "model", "dataset": "digits"})
            >>> job = await client.submit("spec.yaml", name="night", labels={"paper": "icml"})
            >>> job = await client.submit(lth.parse_spec({"kind": "model"}), priority=80)
        """
        if isinstance(document, Mapping) and isinstance(document.get("dataset"), ArrayDataset):
            document = await self._with_uploaded(document)
        request = requests.submit(document, idempotency_key=idempotency_key, **fields)
        return await self.send(request)

    async def job(self, job_id: str) -> Job:
        """Get a job.

        Args:
            job_id: the id of the job. As in all methods, the name of the job or the beginning of
                its id suffices if no other job has it.

        Examples:
            >>> job = await client.job(job.id)
            >>> job.state
            'succeeded'
        """
        return await self.send(requests.job(job_id))

    async def jobs(
        self, *, limit: int | None = None, **filters: Unpack[Filters]
    ) -> AsyncIterator[Job]:
        """List jobs, newest first, at most `limit`.

        Args:
            limit: the most jobs; None for all.
            **filters: see `lth.client.requests.job_page`.

        Examples:
            >>> async for one in client.jobs(states=["succeeded"], labels={"paper": "icml"}):
            ...     print(one.name, one.state)
            example succeeded
        """
        left, cursor = sys.maxsize if limit is None else limit, None
        while left > 0:
            size = min(left, LARGEST_PAGE)
            page = await self.send(requests.job_page(**filters, limit=size, cursor=cursor))
            for job in page.jobs[:left]:
                yield job
            left, cursor = left - len(page.jobs), page.cursor
            if cursor is None:
                return

    async def runs(self, job_id: str) -> list[Run]:
        """List the runs of a job, in the order of its plan.

        Examples:
            >>> [run.key for run in await client.runs(job.id)]
            ['trial-1/ticket']
        """
        page = await self.send(requests.runs(job_id))
        found = list(page.runs)
        while page.cursor is not None:
            page = await self.send(requests.runs(job_id, page.cursor))
            found += page.runs
        return found

    async def results(self, job_id: str) -> Results:
        """The results of a job's experiments, also of those that have finished some levels.

        Examples:
            >>> results = await client.results(job.id)
            >>> [level.level for level in results.results[0].result.levels]
            [0, 1]
        """
        page = await self.send(requests.results(job_id))
        found = list(page.results)
        while page.cursor is not None:
            page = await self.send(requests.results(job_id, page.cursor))
            found += page.results
        return page.model_copy(update={"results": found})

    async def records(self, job_id: str) -> list[Record]:
        """The results as plain data: one row for each trial, experiment and finished level.

        The columns are those of `report/levels.csv` and of `lth.LotteryModel.records`.

        Examples:
            >>> table = pandas.DataFrame(await client.records(job.id))
            >>> table[["experiment", "trial", "level", "kept"]]
              experiment  trial  level    kept
            0     ticket      1      0  ...
            1     ticket      1      1  ...
        """
        found = await self.results(job_id)
        return records(one.result for one in found.results)

    async def events(self, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Follow the events of a job until it is finished, across lost connections.

        Args:
            job_id: the id of the job.
            after: number of the last event that the caller has; a later program continues there.

        Examples:
            >>> async for event in client.events(job.id):
            ...     last = event.number
            >>> [event.kind async for event in client.events(job.id, after=last - 1)]
            ['job_finished']
        """
        state = Following(job_id, self._retries, after)
        while not state.over:
            broken: Exception | None = None
            try:
                async for event in self._events(state):
                    yield event
                if state.over or (await self.job(job_id)).finished:
                    return
            except (httpx.TransportError, ServiceFailed, Unreachable) as error:
                broken = error
            wait = state.failed()
            if wait is None:
                said = broken or "the stream of events ended too early"
                raise no_answer(self.address.server, said) from broken
            await asyncio.sleep(wait)

    async def wait(self, job_id: str, *, check: bool = True, timeout: float | None = None) -> Job:
        """Wait until a job is finished.

        Args:
            job_id: the id of the job.
            check: whether a job that did not succeed raises an error.
            timeout: the most seconds to wait; None for any time.

        Raises:
            JobNotSucceeded: if `check` is set and the job failed or was cancelled.
            NotFinished: if the job is not finished in time. It goes on.

        Examples:
            >>> job = await client.wait(job.id, timeout=3600)
            >>> job.state
            'succeeded'
        """
        if timeout is None:
            async for _ in self.events(job_id):
                pass
        until = inf if timeout is None else monotonic() + timeout
        while not (job := await self.job(job_id)).finished:
            left = until - monotonic()
            if left <= 0:
                raise NotFinished(
                    f"{job_id} has not finished within {timeout:g} s; it is {job.state}"
                )
            await asyncio.sleep(min(_POLL_SECONDS, left))
        if check and job.state != "succeeded":
            raise JobNotSucceeded(how_it_ended(job))
        return job

    async def estimate(self, document: Document, **fields: Unpack[JobFields]) -> Plan:
        """The plan of a document, and an estimate of its time and memory; submits nothing.

        Args:
            document: as in `submit`.
            **fields: as in `submit`.

        Raises:
            Invalid: if the document is wrong; `wrong` lists the fields.

        Examples:
            >>> plan = await client.estimate({"kind": "model", "network": "lenet-300-100"})
            >>> plan.parameters
            50610
        """
        return await self.send(requests.estimate(document, **fields))

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job. Queued runs end at once, running ones at their next evaluation point.

        Raises:
            Conflict: if it has finished.

        Examples:
            >>> job = await client.submit("spec.yaml")
            >>> job = await client.cancel(job.id)
        """
        return await self.send(requests.cancel(job_id))

    async def retry(self, job_id: str, *, afresh: bool = False) -> Job:
        """Queue failed and cancelled runs again. Succeeded runs are kept.

        Args:
            job_id: the id of the job.
            afresh: start from the beginning instead of the last checkpoint.

        Raises:
            Conflict: if it did not fail and was not cancelled.

        Examples:
            >>> job = await client.submit("spec.yaml")
            >>> job = await client.cancel(job.id)
            >>> job = await client.wait(job.id, check=False)
            >>> job.state
            'cancelled'
            >>> job = await client.retry(job.id)
            >>> job.state
            'queued'
        """
        return await self.send(requests.retry(job_id, afresh=afresh))

    async def share(self, job_id: str, team: str | None) -> Job:
        """Make a job visible to a team.

        Args:
            job_id: the id of the job.
            team: a team of yours; None: only you see the job.

        Examples:
            >>> job = await client.share(job.id, "vision")
            >>> job.team
            'vision'
        """
        return await self.send(requests.change_job(job_id, {"team": team}))

    async def label(self, job_id: str, labels: Mapping[str, str]) -> Job:
        """Replace all labels of a job.

        Examples:
            >>> job = await client.label(job.id, {"paper": "icml"})
            >>> job.labels
            {'paper': 'icml'}
        """
        return await self.send(requests.change_job(job_id, {"labels": labels}))

    async def datasets(self) -> AsyncIterator[StoredDataset]:
        """List the uploaded data sets that you see, newest first.

        Examples:
            >>> dataset = await client.upload_dataset("flowers.csv", label_column="species")
            >>> [one.name async for one in client.datasets() if one.id == dataset.id]
            ['flowers']
        """
        page = await self.send(requests.dataset_page())
        while True:
            for one in page.datasets:
                yield one
            if page.cursor is None:
                return
            page = await self.send(requests.dataset_page(page.cursor))

    async def named_datasets(self) -> list[NamedDataset]:
        """List the data sets that a spec names by their kind, and whether a worker has them.

        Examples:
            >>> [one.kind for one in await client.named_datasets() if one.source == "built-in"]
            ['digits']
        """
        return (await self.send(requests.dataset_page())).named

    async def dataset(self, dataset_id: str) -> StoredDataset:
        """Get an uploaded data set, with the names of its classes.

        Examples:
            >>> dataset = await client.upload_dataset("flowers.csv", label_column="species")
            >>> (await client.dataset(dataset.id)).class_names
            ('no', 'yes')
        """
        return await self.send(requests.dataset(dataset_id))

    async def upload_dataset(
        self,
        file: Path | str | bytes,
        *,
        name: str | None = None,
        team: str | None = None,
        label_column: str | None = None,
    ) -> StoredDataset:
        """Upload a data set. The same content with the same name and team is stored once.

        Args:
            file: path or content of an npz file, a zip of class directories with PNG or JPEG
                images, a CSV file or a Parquet file.
            name: shown in lists; default: the name of the file, or `upload`.
            team: a team that uses it too; empty: only you; default: as the service is set up.
            label_column: the column of labels of a table; default: `label`.

        Raises:
            Invalid: if the file is no data set; the message says what would be right.

        Examples:
            >>> dataset = await client.upload_dataset("flowers.csv", label_column="species")
            >>> dataset.shape, dataset.classes, dataset.train, dataset.test
            ((2,), 2, 16, 4)
        """
        content = BytesIO(file) if isinstance(file, bytes) else Path(file)
        usual = content.stem if isinstance(content, Path) else "upload"
        return await self.send(
            requests.upload_dataset(
                content, name=name or usual, team=team, label_column=label_column
            )
        )

    async def from_arrays(
        self,
        x_train: Any,
        y_train: Any,
        x_test: Any = None,
        y_test: Any = None,
        x_val: Any = None,
        y_val: Any = None,
        *,
        name: str = "arrays",
        team: str | None = None,
    ) -> StoredDataset:
        """Upload your own arrays, unless the service has them already.

        Args:
            x_train: samples [n, features], [n, height, width] or [n, height, width, channels];
                uint8 or floats.
            y_train: labels [n], integers from 0.
            x_test: test samples; without them, a fifth of the training samples is set aside.
            y_test: labels of the test samples.
            x_val: samples for validation; without them, each trial draws some.
            y_val: labels of the validation samples.
            name: shown in lists.
            team: a team that uses them too; empty: only you; default: as the service is set up.

        Raises:
            SpecError: if the arrays are no data set; see `lth.ArrayDataset`.

        Examples:
            >>> rng = numpy.random.default_rng(0)
            >>> x, y = rng.random((100, 8)), rng.integers(0, 3, 100)
            >>> dataset = await client.from_arrays(x, y)
            >>> spec = {"kind": "model", "dataset": {"kind": "uploaded", "id": dataset.id}}
            >>> job = await client.submit(spec)
        """
        arrays = ArrayDataset(x_train, y_train, x_test, y_test, x_val, y_val, normalisation="none")
        return await self._uploaded(arrays, name, team)

    async def share_dataset(self, dataset_id: str, team: str | None) -> StoredDataset:
        """Make a data set visible to a team; None: only to you.

        Examples:
            >>> dataset = await client.upload_dataset("flowers.csv", label_column="species")
            >>> dataset = await client.share_dataset(dataset.id, "vision")
            >>> dataset.team
            'vision'
        """
        return await self.send(requests.change_dataset(dataset_id, team=team))

    async def delete_dataset(self, dataset_id: str) -> None:
        """Delete a data set that no job uses.

        Examples:
            >>> dataset = await client.upload_dataset("flowers.csv", label_column="species")
            >>> await client.delete_dataset(dataset.id)
        """
        await self.send(requests.delete_dataset(dataset_id))

    async def delete(self, job_id: str) -> None:
        """Delete a finished job and its files.

        Raises:
            Conflict: if it has not finished.

        Examples:
            >>> job = await client.submit("spec.yaml")
            >>> job = await client.cancel(job.id)
            >>> job = await client.wait(job.id, check=False)
            >>> await client.delete(job.id)
        """
        await self.send(requests.delete(job_id))

    async def log(self, job_id: str, run: str) -> str:
        """The log of a run's last attempt; of a running one, the log so far.

        Args:
            job_id: the id of the job.
            run: the key of the run.

        Examples:
            >>> log = await client.log(job.id, "trial-1/ticket")
            >>> "level 1" in log
            True
        """
        return await self.send(requests.log(job_id, run))

    async def summary(self, job_id: str) -> dict[str, Any]:
        """The statistics of a job over its trials, as in `report/summary.json`.

        Examples:
            >>> summary = await client.summary(job.id)
            >>> summary["trials"]
            1
        """
        return await self.send(requests.summary(job_id))

    async def artifacts(self, job_id: str) -> list[Artifact]:
        """List the files of a job.

        Examples:
            >>> names = [file.name for file in await client.artifacts(job.id)]
            >>> "trial-1/ticket/masks.npz" in names
            True
        """
        page = await self.send(requests.artifacts(job_id))
        found = list(page.artifacts)
        while page.cursor is not None:
            page = await self.send(requests.artifacts(job_id, page.cursor))
            found += page.artifacts
        return found

    async def artifact(self, job_id: str, name: str) -> bytes:
        """The bytes of a file, all in memory.

        Args:
            job_id: the id of the job.
            name: the name of the file, as in `artifacts`.

        Examples:
            >>> table = await client.artifact(job.id, "report/levels.csv")
            >>> table[:16]
            b'trial,seed,exper'
        """
        return await self.send(requests.artifact(job_id, name))

    async def download(
        self, artifact: Artifact, folder: Path | str, *, progress: Progress | None = None
    ) -> Path:
        """Fetch a file into `folder`, under its name, and check its SHA-256.

        Args:
            artifact: a file of `artifacts`.
            folder: directory for the file.
            progress: is called with the number of bytes that have arrived.

        Returns:
            The path of the file.

        Raises:
            DamagedDownload: if the bytes have another SHA-256.

        Examples:
            >>> for file in await client.artifacts(job.id):
            ...     if file.name.endswith("masks.npz"):
            ...         path = await client.download(file, "results")
            >>> masks = numpy.load(path)
            >>> masks["level-1/linear_1"].dtype
            dtype('bool')
        """
        download = Download(artifact, Path(folder), progress)
        attempt = 0
        try:
            while not download.empty:
                attempt += 1
                last = attempt >= self._retries.attempts
                try:
                    answer = await self._fetch(download)
                    if answer.is_success:
                        break
                    if last or not should_retry(answer):
                        raise refusal(answer)
                except httpx.TransportError as error:
                    if last:
                        raise no_answer(self.address.server, error) from error
                    answer = None
                await asyncio.sleep(self._retries.wait(attempt, answer))
        except BaseException:
            download.abandon()
            raise
        return download.finish()

    async def catalogue(self) -> dict[str, Any]:
        """All criteria, resets, schedules, networks and data sets, with their parameters.

        Examples:
            >>> catalogue = await client.catalogue()
            >>> [one["kind"] for one in catalogue["schedules"]]
            ['one_shot', 'geometric', 'linear']
        """
        return await self.send(requests.catalogue())

    async def workers(self) -> list[Worker]:
        """List the workers with their state.

        Examples:
            >>> [worker.device for worker in await client.workers()]
            ['cpu']
        """
        return (await self.send(requests.workers())).workers

    async def _with_uploaded(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A document with a reference to its arrays, which are uploaded."""
        arrays: ArrayDataset = document["dataset"]
        stored = await self._uploaded(arrays, "arrays", None)
        return {**document, "dataset": arrays.reference(stored.id)}

    async def _uploaded(self, arrays: ArrayDataset, name: str, team: str | None) -> StoredDataset:
        """The data set of these arrays; it is uploaded, unless there is one."""
        with npz_of(arrays) as (file, digest):
            page = await self.send(requests.dataset_page(digest=digest))
            for one in page.datasets:
                if team is None or (one.team or "") == team:
                    return one
            return await self.send(requests.upload_dataset(file, name=name, team=team))

    async def _events(self, state: Following) -> AsyncIterator[Event]:
        async with aconnect_sse(
            self._http, "GET", state.path, headers=state.headers, timeout=EVENTS_TIMEOUT
        ) as source:
            if not source.response.is_success:
                await source.response.aread()
                raise refusal(source.response)
            async for message in source.aiter_sse():
                event = state.take(message)
                if event is not None:
                    yield event

    async def _fetch(self, download: Download) -> httpx.Response:
        """Receive the content of a file; return the response without content if it is an error."""
        async with self._http.stream(
            "GET", download.artifact.href, headers=download.headers
        ) as answer:
            if not answer.is_success:
                await answer.aread()
                return answer
            download.begin(answer)
            async for piece in answer.aiter_bytes():
                download.take(piece)
            return answer

    def _transport(self) -> httpx.AsyncBaseTransport:
        secret = self.address.secret
        return AsyncProvingTransport(secret) if secret else AsyncRoutingTransport()
