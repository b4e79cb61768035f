"""The client of the service."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from math import inf
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx
from httpx_sse import aconnect_sse
from pydantic import BaseModel

from lth.client import requests
from lth.client._async.proving import AsyncProvingTransport
from lth.client._async.routing import AsyncRoutingTransport
from lth.client.connecting import no_answer
from lth.client.downloading import Download, Progress
from lth.client.errors import JobNotSucceeded, NotFinished, ServiceFailed, Unreachable, refusal
from lth.client.following import TIMEOUT as EVENTS_TIMEOUT
from lth.client.following import Following
from lth.client.locating import TIMEOUT, locate
from lth.client.models import Artifact, Event, Job, Plan, Results, Run, how_it_ended
from lth.client.requests import LARGEST_PAGE, Filters, Request
from lth.client.retries import Retries, should_retry
from lth.client.uploading import async_pieces

Answer = TypeVar("Answer")
_POLL_SECONDS = 1.0


class AsyncClient:
    """A connection to the service. Use it in a `with` statement, or call `close`.

    Args:
        server: address of the service; default ``LTH_SERVER``, or the local stack.
        key: API key; default ``LTH_API_KEY``, or the key of the local stack.
        retries: how often a request is sent again, and after how many seconds.
        transport: the transport of httpx to use; for tests.

    Raises:
        Unreachable: if no address is set and no local stack runs.
    """

    def __init__(
        self,
        server: str | None = None,
        key: str | None = None,
        *,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.address = locate(server, key)
        self._retries = retries or Retries()
        self._http = httpx.AsyncClient(
            base_url=self.address.server,
            headers=self.address.headers,
            timeout=TIMEOUT,
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
        """Close the connections."""
        await self._http.aclose()

    async def send(self, request: Request[Answer]) -> Answer:
        """Send a request of `lth.client.requests`. Idempotent requests are retried.

        Raises:
            ClientError: see `lth.client.errors`.
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
        self, document: Mapping[str, Any] | BaseModel, *, idempotency_key: str | None = None
    ) -> Job:
        """Submit a job.

        Args:
            document: the spec, as plain data with optional fields of the job such as `priority` or
                `pool`, or as `lth.parse_spec` returns it.
            idempotency_key: a second submission with the same key returns the same job.

        Raises:
            Invalid: if the document is wrong; `wrong` lists the fields.
        """
        said = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
        return await self.send(requests.submit(said, idempotency_key=idempotency_key))

    async def job(self, job_id: str) -> Job:
        """Get a job."""
        return await self.send(requests.job(job_id))

    async def jobs(
        self, *, limit: int | None = None, **filters: Unpack[Filters]
    ) -> AsyncIterator[Job]:
        """List jobs, newest first, at most `limit`.

        Args:
            limit: the most jobs; None for all.
            **filters: see `lth.client.requests.job_page`.
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
        """List the runs of a job, in the order of its plan."""
        page = await self.send(requests.runs(job_id))
        found = list(page.runs)
        while page.cursor is not None:
            page = await self.send(requests.runs(job_id, page.cursor))
            found += page.runs
        return found

    async def results(self, job_id: str) -> Results:
        """The results of a job's finished experiments."""
        page = await self.send(requests.results(job_id))
        found = list(page.results)
        while page.cursor is not None:
            page = await self.send(requests.results(job_id, page.cursor))
            found += page.results
        return page.model_copy(update={"results": found})

    async def events(self, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Follow the events of a job until it is finished, across lost connections.

        Args:
            job_id: the id of the job.
            after: number of the last event that the caller has.
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
            >>> job = client.wait(job.id, timeout=3600)
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

    async def estimate(self, document: Mapping[str, Any]) -> Plan:
        """The plan of a document, and an estimate of its time and memory; submits nothing."""
        return await self.send(requests.estimate(document))

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return await self.send(requests.cancel(job_id))

    async def retry(self, job_id: str, *, afresh: bool = False) -> Job:
        """Queue failed and cancelled runs again; see `lth.client.requests.retry`."""
        return await self.send(requests.retry(job_id, afresh=afresh))

    async def share(self, job_id: str, team: str | None) -> Job:
        """Make a job visible to a team.

        Args:
            job_id: the id of the job.
            team: a team of yours; None: only you see the job.

        Examples:
            >>> client.share(job.id, "vision")
        """
        return await self.send(requests.change_job(job_id, {"team": team}))

    async def label(self, job_id: str, labels: Mapping[str, str]) -> Job:
        """Replace all labels of a job.

        Examples:
            >>> client.label(job.id, {"paper": "icml"})
        """
        return await self.send(requests.change_job(job_id, {"labels": labels}))

    async def delete(self, job_id: str) -> None:
        """Delete a finished job and its files."""
        await self.send(requests.delete(job_id))

    async def log(self, job_id: str, run: str) -> str:
        """The log of a run's last finished attempt."""
        return await self.send(requests.log(job_id, run))

    async def summary(self, job_id: str) -> dict[str, Any]:
        """The statistics of a job over its trials."""
        return await self.send(requests.summary(job_id))

    async def artifacts(self, job_id: str) -> list[Artifact]:
        """List the files of a job."""
        page = await self.send(requests.artifacts(job_id))
        found = list(page.artifacts)
        while page.cursor is not None:
            page = await self.send(requests.artifacts(job_id, page.cursor))
            found += page.artifacts
        return found

    async def artifact(self, job_id: str, name: str) -> bytes:
        """The bytes of a file, all in memory."""
        return await self.send(requests.artifact(job_id, name))

    async def download(
        self, artifact: Artifact, folder: Path, *, progress: Progress | None = None
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
        """All criteria, resets, schedules, networks and data sets, with their parameters."""
        return await self.send(requests.catalogue())

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
