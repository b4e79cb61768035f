"""``GET /metrics``: measurements of this process's requests, and counts from the database."""

from collections.abc import Iterator

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector, CollectorRegistry

from service.api.accounts.access import ReaderDep, authenticate
from service.api.events.feed import Feed, FeedDep
from service.api.http.connections import Connections, End
from service.api.http.metrics import REGISTRY
from service.api.http.problems import (
    InternalError,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    answers,
)
from service.api.http.state import AppStateDep
from service.store.states import Reason, RunState
from service.store.tables import WorkerState
from service.store.workers.measurements import QUANTILES, Measurements, measure

router = APIRouter(tags=["health"], dependencies=[Depends(authenticate)])


@router.get(
    "/metrics",
    summary="Measurements for Prometheus",
    response_class=PlainTextResponse,
    responses=answers(Unauthenticated, TooManyRequests, InternalError, Unavailable),
)
def get_metrics(_: ReaderDep, app: AppStateDep, feed: FeedDep) -> PlainTextResponse:
    """Queues, runs, failures and workers from the database, and the requests of this process.

    Needs a key of any role; Prometheus sends it as `authorization.credentials`.
    """
    with app.database.transaction() as session:
        measured = measure(session)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows(measured))
    registry.register(_Bounded(app.connections, feed))
    content = generate_latest(registry) + generate_latest(REGISTRY)
    return PlainTextResponse(content, media_type=CONTENT_TYPE_LATEST)


class _Rows(Collector):
    """The measurements as Prometheus metric families, with explicit zeros."""

    def __init__(self, measured: Measurements) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        measured = self._measured
        depth = GaugeMetricFamily("lth_queue_depth", "Queued runs.", labels=["pool"])
        oldest = GaugeMetricFamily(
            "lth_queue_oldest_seconds", "Age of the oldest queued run.", labels=["pool"]
        )
        for queue in measured.queues:
            depth.add_metric([queue.pool], queue.depth)
            oldest.add_metric([queue.pool], queue.oldest_seconds)
        yield from (depth, oldest)

        runs = GaugeMetricFamily("lth_runs", "Runs that are there, by state.", labels=["state"])
        for state in RunState:
            runs.add_metric([state], measured.runs.get(state, 0))
        yield runs

        failures = GaugeMetricFamily(
            "lth_failed_runs", "Failed runs that are there, by reason.", labels=["reason"]
        )
        for reason in Reason:
            failures.add_metric([reason], measured.failures.get(reason, 0))
        yield failures

        workers = GaugeMetricFamily("lth_workers", "Workers, by state.", labels=["state"])
        for state in WorkerState:
            workers.add_metric([state], measured.workers.get(state, 0))
        yield workers

        claim = GaugeMetricFamily(
            "lth_claim_latency_seconds",
            "From queued to claimed, of the runs that started in the last 15 minutes.",
            labels=["quantile"],
        )
        for quantile, seconds in zip(QUANTILES, measured.claim_seconds, strict=False):
            claim.add_metric([str(quantile)], seconds)
        yield claim

        seconds = CounterMetricFamily("lth_worker_seconds", "Time that runs took on devices.")
        seconds.add_metric([], measured.device_seconds)
        yield seconds


class _Bounded(Collector):
    """Connections and event streams of this process, with their bounds."""

    def __init__(self, connections: Connections, feed: Feed) -> None:
        self._connections, self._feed = connections, feed

    def collect(self) -> Iterator[Metric]:
        connections, bounds = self._connections, self._connections.bounds
        for name, text, now, most in (
            ("lth_connections", "Open connections", connections.open, bounds.connections),
            ("lth_event_streams", "Streams of events", self._feed.streams, bounds.streams),
        ):
            yield GaugeMetricFamily(name, f"{text} of this process.", value=now)
            yield GaugeMetricFamily(f"{name}_bound", f"{text}: the most at once.", value=most)
        ended = CounterMetricFamily(
            "lth_connections_ended", "Connections that this process ended.", labels=["reason"]
        )
        for reason in End:
            ended.add_metric([reason], connections.ended[reason])
        yield ended
