"""The client of the service."""

import sys
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from math import inf
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx
from httpx_sse import connect_sse

from lth.client import requests
from lth.client._sync.proving import ProvingTransport
from lth.client._sync.routing import RoutingTransport
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
from lth.client.uploading import npz_of, pieces
from lth.datasets import ArrayDataset
from lth.results.records import Record, records

Answer = TypeVar("Answer")
_POLL_SECONDS = 1.0


class Client:
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
        >>> with Client() as client:
        ...     job = client.submit({"kind": "model", "training": {"duration": "2ep"}})
        ...     job = client.wait(job.id)

        The examples of the methods begin with `client` and this `job`.
    """

    def __init__(
        self,
        server: str | None = None,
        key: str | None = None,
        *,
        retries: Retries | None = None,
        timeout: float = SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.address = locate(server, key)
        self._retries = retries or Retries()
        self._http = httpx.Client(
            base_url=self.address.server,
            headers=self.address.headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            follow_redirects=True,
            transport=transport or self._transport(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections.

        Examples:
            >>> client = Client()
            >>> client.close()
        """
        self._http.close()

    def send(self, request: Request[Answer]) -> Answer:
        """Send a request of `lth.client.requests`. Idempotent requests are retried.

        Raises:
            ClientError: see `lth.client.errors`.

        Examples:
            >>> from lth.client import requests
            >>> queue = client.send(requests.queue())
            >>> [load.pool for load in queue.pools]
            ['cpu']
        """
        attempt = 0
        while True:
            attempt += 1
            last = attempt >= self._retries.attempts or not request.idempotent
            try:
                answer = self._http.request(
                    request.method,
                    request.path,
                    params=dict(request.params),
                    headers=dict(request.headers),
                    json=request.json,
                    content=pieces(request.file) if request.file else None,
                    timeout=request.timeout or httpx.USE_CLIENT_DEFAULT,
                )
            except httpx.TransportError as error:
                if last:
                    raise no_answer(self.address.server, error) from error
                time.sleep(self._retries.wait(attempt))
                continue
            if answer.is_success:
                return request.read(answer)
            if last or not should_retry(answer):
                raise refusal(answer)
            time.sleep(self._retries.wait(attempt, answer))

    def submit(
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
            >>> job = client.submit({"kind": "model", "dataset": "digits"})
            >>> job = client.submit("spec.yaml", name="night", labels={"paper": "icml"})
            >>> job = client.submit(lth.parse_spec({"kind": "model"}), priority=80)
        """
        if isinstance(document, Mapping) and isinstance(document.get("dataset"), ArrayDataset):
            document = self._with_uploaded(document)
        request = requests.submit(document, idempotency_key=idempotency_key, **fields)
        return self.send(request)

    def job(self, job_id: str) -> Job:
        """Get a job.

        Args:
            job_id: the id of the job. As in all methods, the name of the job or the beginning of
                its id suffices if no other job has it.

        Examples:
            >>> job = client.job(job.id)
            >>> job.state
            'succeeded'
        """
        return self.send(requests.job(job_id))

    def jobs(self, *, limit: int | None = None, **filters: Unpack[Filters]) -> Iterator[Job]:
        """List jobs, newest first, at most `limit`.

        Args:
            limit: the most jobs; None for all.
            **filters: see `lth.client.requests.job_page`.

        Examples:
            >>> for one in client.jobs(states=["succeeded"], labels={"paper": "icml"}):
            ...     print(one.name, one.state)
            example succeeded
        """
        left, cursor = sys.maxsize if limit is None else limit, None
        while left > 0:
            size = min(left, LARGEST_PAGE)
            page = self.send(requests.job_page(**filters, limit=size, cursor=cursor))
            yield from page.jobs[:left]
            left, cursor = left - len(page.jobs), page.cursor
            if cursor is None:
                return

    def runs(self, job_id: str) -> list[Run]:
        """List the runs of a job, in the order of its plan.

        Examples:
            >>> [run.key for run in client.runs(job.id)]
            ['trial-1/ticket']
        """
        page = self.send(requests.runs(job_id))
        found = list(page.runs)
        while page.cursor is not None:
            page = self.send(requests.runs(job_id, page.cursor))
            found += page.runs
        return found

    def results(self, job_id: str) -> Results:
        """The results of a job's experiments, also of those that have finished some levels.

        Examples:
            >>> results = client.results(job.id)
            >>> [level.level for level in results.results[0].result.levels]
            [0, 1]
        """
        page = self.send(requests.results(job_id))
        found = list(page.results)
        while page.cursor is not None:
            page = self.send(requests.results(job_id, page.cursor))
            found += page.results
        return page.model_copy(update={"results": found})

    def records(self, job_id: str) -> list[Record]:
        """The results as plain data: one row for each trial, experiment and finished level.

        The columns are those of `report/levels.csv` and of `lth.LotteryModel.records`.

        Examples:
            >>> table = pandas.DataFrame(client.records(job.id))
            >>> table[["experiment", "trial", "level", "kept"]]
              experiment  trial  level    kept
            0     ticket      1      0  ...
            1     ticket      1      1  ...
        """
        found = self.results(job_id)
        return records(one.result for one in found.results)

    def events(self, job_id: str, *, after: int = 0) -> Iterator[Event]:
        """Follow the events of a job until it is finished, across lost connections.

        Args:
            job_id: the id of the job.
            after: number of the last event that the caller has; a later program continues there.

        Examples:
            >>> for event in client.events(job.id):
            ...     last = event.number
            >>> [event.kind for event in client.events(job.id, after=last - 1)]
            ['job_finished']
        """
        state = Following(job_id, self._retries, after)
        while not state.over:
            broken: Exception | None = None
            try:
                yield from self._events(state)
                if state.over or (self.job(job_id)).finished:
                    return
            except (httpx.TransportError, ServiceFailed, Unreachable) as error:
                broken = error
            wait = state.failed()
            if wait is None:
                said = broken or "the stream of events ended too early"
                raise no_answer(self.address.server, said) from broken
            time.sleep(wait)

    def wait(self, job_id: str, *, check: bool = True, timeout: float | None = None) -> Job:
        """Wait until a job is finished.

        Args:
            job_id: the id of the job.
            check: whether a job that did not succeed raises an error.
            timeout: the most seconds to wait; None for any time.

        Raises:
            JobNotSucceeded: if `check` is set and the job failed or was cancelled.
            NotFinished: if the job is not finished in time. It goes on.

        Examples:
            >>> job = client.wait(job.id, timeout=3600)
            >>> job.state
            'succeeded'
        """
        if timeout is None:
            for _ in self.events(job_id):
                pass
        until = inf if timeout is None else monotonic() + timeout
        while not (job := self.job(job_id)).finished:
            left = until - monotonic()
            if left <= 0:
                raise NotFinished(
                    f"{job_id} has not finished within {timeout:g} s; it is {job.state}"
                )
            time.sleep(min(_POLL_SECONDS, left))
        if check and job.state != "succeeded":
            raise JobNotSucceeded(how_it_ended(job))
        return job

    def estimate(self, document: Document, **fields: Unpack[JobFields]) -> Plan:
        """The plan of a document, and an estimate of its time and memory; submits nothing.

        Args:
            document: as in `submit`.
            **fields: as in `submit`.

        Raises:
            Invalid: if the document is wrong; `wrong` lists the fields.

        Examples:
            >>> plan = client.estimate({"kind": "model", "network": "lenet-300-100"})
            >>> plan.parameters
            50610
        """
        return self.send(requests.estimate(document, **fields))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job. Queued runs end at once, running ones at their next evaluation point.

        Raises:
            Conflict: if it has finished.

        Examples:
            >>> job = client.submit("spec.yaml")
            >>> job = client.cancel(job.id)
        """
        return self.send(requests.cancel(job_id))

    def retry(self, job_id: str, *, afresh: bool = False) -> Job:
        """Queue failed and cancelled runs again. Succeeded runs are kept.

        Args:
            job_id: the id of the job.
            afresh: start from the beginning instead of the last checkpoint.

        Raises:
            Conflict: if it did not fail and was not cancelled.

        Examples:
            >>> job = client.submit("spec.yaml")
            >>> job = client.cancel(job.id)
            >>> job = client.wait(job.id, check=False)
            >>> job.state
            'cancelled'
            >>> job = client.retry(job.id)
            >>> job.state
            'queued'
        """
        return self.send(requests.retry(job_id, afresh=afresh))

    def share(self, job_id: str, team: str | None) -> Job:
        """Make a job visible to a team.

        Args:
            job_id: the id of the job.
            team: a team of yours; None: only you see the job.

        Examples:
            >>> job = client.share(job.id, "vision")
            >>> job.team
            'vision'
        """
        return self.send(requests.change_job(job_id, {"team": team}))

    def label(self, job_id: str, labels: Mapping[str, str]) -> Job:
        """Replace all labels of a job.

        Examples:
            >>> job = client.label(job.id, {"paper": "icml"})
            >>> job.labels
            {'paper': 'icml'}
        """
        return self.send(requests.change_job(job_id, {"labels": labels}))

    def datasets(self) -> Iterator[StoredDataset]:
        """List the uploaded data sets that you see, newest first.

        Examples:
            >>> dataset = client.upload_dataset("flowers.csv", label_column="species")
            >>> [one.name for one in client.datasets() if one.id == dataset.id]
            ['flowers']
        """
        page = self.send(requests.dataset_page())
        while True:
            yield from page.datasets
            if page.cursor is None:
                return
            page = self.send(requests.dataset_page(page.cursor))

    def named_datasets(self) -> list[NamedDataset]:
        """List the data sets that a spec names by their kind, and whether a worker has them.

        Examples:
            >>> [one.kind for one in client.named_datasets() if one.source == "built-in"]
            ['digits']
        """
        return (self.send(requests.dataset_page())).named

    def dataset(self, dataset_id: str) -> StoredDataset:
        """Get an uploaded data set, with the names of its classes.

        Examples:
            >>> dataset = client.upload_dataset("flowers.csv", label_column="species")
            >>> (client.dataset(dataset.id)).class_names
            ('no', 'yes')
        """
        return self.send(requests.dataset(dataset_id))

    def upload_dataset(
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
            >>> dataset = client.upload_dataset("flowers.csv", label_column="species")
            >>> dataset.shape, dataset.classes, dataset.train, dataset.test
            ((2,), 2, 16, 4)
        """
        content = BytesIO(file) if isinstance(file, bytes) else Path(file)
        usual = content.stem if isinstance(content, Path) else "upload"
        return self.send(
            requests.upload_dataset(
                content, name=name or usual, team=team, label_column=label_column
            )
        )

    def from_arrays(
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
            >>> dataset = client.from_arrays(x, y)
            >>> spec = {"kind": "model", "dataset": {"kind": "uploaded", "id": dataset.id}}
            >>> job = client.submit(spec)
        """
        arrays = ArrayDataset(x_train, y_train, x_test, y_test, x_val, y_val, normalisation="none")
        return self._uploaded(arrays, name, team)

    def share_dataset(self, dataset_id: str, team: str | None) -> StoredDataset:
        """Make a data set visible to a team; None: only to you.

        Examples:
            >>> dataset = client.upload_dataset("flowers.csv", label_column="species")
            >>> dataset = client.share_dataset(dataset.id, "vision")
            >>> dataset.team
            'vision'
        """
        return self.send(requests.change_dataset(dataset_id, team=team))

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a data set that no job uses.

        Examples:
            >>> dataset = client.upload_dataset("flowers.csv", label_column="species")
            >>> client.delete_dataset(dataset.id)
        """
        self.send(requests.delete_dataset(dataset_id))

    def delete(self, job_id: str) -> None:
        """Delete a finished job and its files.

        Raises:
            Conflict: if it has not finished.

        Examples:
            >>> job = client.submit("spec.yaml")
            >>> job = client.cancel(job.id)
            >>> job = client.wait(job.id, check=False)
            >>> client.delete(job.id)
        """
        self.send(requests.delete(job_id))

    def log(self, job_id: str, run: str) -> str:
        """The log of a run's last attempt; of a running one, the log so far.

        Args:
            job_id: the id of the job.
            run: the key of the run.

        Examples:
            >>> log = client.log(job.id, "trial-1/ticket")
            >>> "level 1" in log
            True
        """
        return self.send(requests.log(job_id, run))

    def summary(self, job_id: str) -> dict[str, Any]:
        """The statistics of a job over its trials, as in `report/summary.json`.

        Examples:
            >>> summary = client.summary(job.id)
            >>> summary["trials"]
            1
        """
        return self.send(requests.summary(job_id))

    def artifacts(self, job_id: str) -> list[Artifact]:
        """List the files of a job.

        Examples:
            >>> names = [file.name for file in client.artifacts(job.id)]
            >>> "trial-1/ticket/masks.npz" in names
            True
        """
        page = self.send(requests.artifacts(job_id))
        found = list(page.artifacts)
        while page.cursor is not None:
            page = self.send(requests.artifacts(job_id, page.cursor))
            found += page.artifacts
        return found

    def artifact(self, job_id: str, name: str) -> bytes:
        """The bytes of a file, all in memory.

        Args:
            job_id: the id of the job.
            name: the name of the file, as in `artifacts`.

        Examples:
            >>> table = client.artifact(job.id, "report/levels.csv")
            >>> table[:16]
            b'trial,seed,exper'
        """
        return self.send(requests.artifact(job_id, name))

    def download(
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
            >>> for file in client.artifacts(job.id):
            ...     if file.name.endswith("masks.npz"):
            ...         path = client.download(file, "results")
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
                    answer = self._fetch(download)
                    if answer.is_success:
                        break
                    if last or not should_retry(answer):
                        raise refusal(answer)
                except httpx.TransportError as error:
                    if last:
                        raise no_answer(self.address.server, error) from error
                    answer = None
                time.sleep(self._retries.wait(attempt, answer))
        except BaseException:
            download.abandon()
            raise
        return download.finish()

    def catalogue(self) -> dict[str, Any]:
        """All criteria, resets, schedules, networks and data sets, with their parameters.

        Examples:
            >>> catalogue = client.catalogue()
            >>> [one["kind"] for one in catalogue["schedules"]]
            ['one_shot', 'geometric', 'linear']
        """
        return self.send(requests.catalogue())

    def workers(self) -> list[Worker]:
        """List the workers with their state.

        Examples:
            >>> [worker.device for worker in client.workers()]
            ['cpu']
        """
        return (self.send(requests.workers())).workers

    def _with_uploaded(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A document with a reference to its arrays, which are uploaded."""
        arrays: ArrayDataset = document["dataset"]
        stored = self._uploaded(arrays, "arrays", None)
        return {**document, "dataset": arrays.reference(stored.id)}

    def _uploaded(self, arrays: ArrayDataset, name: str, team: str | None) -> StoredDataset:
        """The data set of these arrays; it is uploaded, unless there is one."""
        with npz_of(arrays) as (file, digest):
            page = self.send(requests.dataset_page(digest=digest))
            for one in page.datasets:
                if team is None or (one.team or "") == team:
                    return one
            return self.send(requests.upload_dataset(file, name=name, team=team))

    def _events(self, state: Following) -> Iterator[Event]:
        with connect_sse(
            self._http, "GET", state.path, headers=state.headers, timeout=EVENTS_TIMEOUT
        ) as source:
            if not source.response.is_success:
                source.response.read()
                raise refusal(source.response)
            for message in source.iter_sse():
                event = state.take(message)
                if event is not None:
                    yield event

    def _fetch(self, download: Download) -> httpx.Response:
        """Receive the content of a file; return the response without content if it is an error."""
        with self._http.stream("GET", download.artifact.href, headers=download.headers) as answer:
            if not answer.is_success:
                answer.read()
                return answer
            download.begin(answer)
            for piece in answer.iter_bytes():
                download.take(piece)
            return answer

    def _transport(self) -> httpx.BaseTransport:
        secret = self.address.secret
        return ProvingTransport(secret) if secret else RoutingTransport()
