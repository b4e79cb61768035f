"""Prints the measurements of the service on this machine, and its targets."""

import asyncio
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.service import million
from benchmarks.service.load import Connection, Measured, many
from lth.client import Client
from lth.client.local_stack import Running
from service.settings import Settings
from service.stack.data_directory import DataDirectory
from service.stack.starting import Options
from service.stack.up import stack
from service.store.database import BACKUP, Database

CLIENTS, SUBMITS, WATCHERS, PAGES, CLAIMS, JOBS = 16, 1500, 200, 500, 500, 12
ROUNDS, SETTLED_SECONDS = 5, 2.0
MINIMAL = {"kind": "model", "training": {"duration": "1ep"}}
WAITING = json.dumps({**MINIMAL, "pool": "nobody"}).encode()
"""A job for a pool without workers, so that only the submission is measured."""
LONG = {"kind": "model", "training": {"duration": "500000it", "evaluate_every": "100it"}}

console = Console(highlight=False)


class Quiet:
    """Prints only messages of the stack."""

    def started(self, name: str, what: str, seconds: float) -> None:
        """Ignore the start of a part."""

    def ready(self, running: Running) -> None:
        """Ignore the start of the stack."""

    def say(self, text: str) -> None:
        """Print a message."""
        console.print(text)


class Report:
    """The table of figures."""

    def __init__(self) -> None:
        self._table = Table("measured", "figure", "mark", "", title=_machine())

    def add(
        self,
        what: str,
        figure: float,
        unit: str,
        mark: float | None = None,
        *,
        above: bool = False,
    ) -> None:
        """Add a figure, and whether it meets its target, if there is one."""
        if mark is None:
            self._table.add_row(what, f"{figure:,.1f} {unit}", "", "")
            return
        met = figure >= mark if above else figure <= mark
        sign = ">=" if above else "<"
        verdict = "[green]met[/]" if met else "[red]missed[/]"
        self._table.add_row(what, f"{figure:,.1f} {unit}", f"{sign} {mark:g} {unit}", verdict)

    def show(self) -> None:
        console.print(self._table)


def main() -> None:
    """Start a stack, and measure everything on it."""
    report = Report()
    os.environ["LTH_POOLS"] = "cpu,nobody"
    with tempfile.TemporaryDirectory(prefix="lth-bench-") as folder:
        data = DataDirectory(Path(folder))
        with stack(Options(data, port=0, workers=1), Quiet()) as (_, running):
            key = data.read_admin_key() or ""
            with Client(running.server, key) as client:
                first, whole = _latencies(client, MINIMAL)
                report.add("from submit to the first event, median", first, "ms", 150)
                report.add("from submit to succeeded, median", whole, "ms", 1000)
                first, again = _pictures(client)
                report.add("first fetch of a picture, which draws it, median", first, "ms")
                report.add("  any later fetch of it", again, "ms")
                _submits(running.server, key, client, report)
                _at_a_million(running, key, client, report)
    report.show()


def _submits(server: str, key: str, client: Client, report: Report) -> None:
    def submits() -> Measured:
        return asyncio.run(many(server, key, CLIENTS, SUBMITS, _submit))

    with _step(f"{SUBMITS} submits by {CLIENTS} clients"):
        alone = submits()
    report.add("submits, 16 clients, each durable", alone.rate, "/s", 300, above=True)
    report.add("  of which 99 % are answered within", alone.quantile(0.99), "ms", 150)
    report.add("  of which 50 % are answered within", alone.quantile(0.5), "ms", 150)
    with _step(f"the same beside a job in training, {ROUNDS} times without and with watchers"):
        job = client.submit(LONG).id
        _until_running(client, job)
        costs: list[float] = []
        for _ in range(ROUNDS):
            before = submits()
            watched = asyncio.run(_watched(server, key, job))
            costs.append(100 * (1 - watched.rate / before.rate))
        client.cancel(job)
    report.add(f"submits lost to {WATCHERS} watchers of a job in training", median(costs), "%", 20)
    for name, cost in (("least", min(costs)), ("most", max(costs))):
        report.add(f"  of {ROUNDS} times, {name}", cost, "%")


async def _watched(server: str, key: str, job: str) -> Measured:
    watchers = [await Connection.open(server, key) for _ in range(WATCHERS)]
    for watcher in watchers:
        await watcher.send("GET", f"/v1/jobs/{job}/events")
    listening = [asyncio.create_task(watcher.listen()) for watcher in watchers]
    await asyncio.sleep(SETTLED_SECONDS)  # New watchers first get all past events.
    measured = await many(server, key, CLIENTS, SUBMITS, _submit)
    assert not any(task.done() for task in listening), "a watcher was cut off"
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    for watcher in watchers:
        watcher.close()
    return measured


def _latencies(client: Client, document: dict[str, Any]) -> tuple[float, float]:
    """Median milliseconds from a submit to the start of the run, and to the end of the job."""
    first: list[float] = []
    whole: list[float] = []
    with _step(f"{JOBS} jobs of one epoch, one after the other, on a warm worker"):
        client.wait(client.submit(document).id)
        for _ in range(JOBS):
            began = time.perf_counter()
            job = client.submit({**document, "seed": secrets.randbits(32)})
            kinds = ((event.kind, time.perf_counter()) for event in client.events(job.id))
            first.append(dict(reversed(list(kinds)))["run_started"] - began)
            whole.append(time.perf_counter() - began)
    return _median_ms(first), _median_ms(whole)


def _pictures(client: Client) -> tuple[float, float]:
    """Median milliseconds to fetch a picture for the first time, and again."""
    first: list[float] = []
    again: list[float] = []
    with _step(f"the pictures of {JOBS} jobs"):
        for _ in range(JOBS):
            job = client.wait(client.submit({**MINIMAL, "seed": secrets.randbits(32)}).id)
            names = [one.name for one in client.artifacts(job.id) if one.name.endswith(".png")]
            for seconds in (first, again):
                for name in names:
                    began = time.perf_counter()
                    client.artifact(job.id, name)
                    seconds.append(time.perf_counter() - began)
    return _median_ms(first), _median_ms(again)


def _at_a_million(running: Running, key: str, client: Client, report: Report) -> None:
    settings = Settings(database_url=running.database_url, broker_url=running.broker_url)
    template = client.submit({**MINIMAL, "pool": "nobody"}).id
    with closing(Database(running.database_url, 2, BACKUP)) as database:
        with _step(f"{million.JOBS:,} jobs, {million.QUEUED:,} of them queued"):
            million.fill(database, template)
        with _step(f"{CLAIMS} claims and {PAGES} pages of them"):
            claims = million.claims(database, settings, CLAIMS)
            pages = asyncio.run(many(running.server, key, 1, PAGES, _walk()))
    report.add("claim among a million jobs, 99 %", Measured(claims, 1).quantile(0.99), "ms", 25)
    report.add("page of 50 of a million jobs, 99 %", pages.quantile(0.99), "ms", 25)


def _walk() -> Callable[[Connection], "asyncio.Future[None]"]:
    cursor = ""

    async def page(connection: Connection) -> None:
        nonlocal cursor
        found = await connection.request("GET", f"/v1/jobs?limit=50{cursor}")
        cursor = f"&cursor={found['cursor']}"

    return page  # pyright: ignore[reportReturnType]


async def _submit(connection: Connection) -> None:
    await connection.request("POST", "/v1/jobs", WAITING)


def _until_running(client: Client, job: str) -> None:
    for event in client.events(job):
        if event.kind in ("progress", "evaluation"):
            return


def _median_ms(seconds: list[float]) -> float:
    return Measured(seconds, 1).quantile(0.5)


def _machine() -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "CPU",
    )
    return f"the service on {os.cpu_count()} x {cpu}, all parts on it, the clients too"


@contextmanager
def _step(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    console.print(f"{what}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
