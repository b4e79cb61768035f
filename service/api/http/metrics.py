"""Measures the duration of requests by route."""

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from starlette.types import Scope

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # process_open_fds, process_max_fds and others

_SECONDS = Histogram(
    "lth_http_request_seconds",
    "Time from a request to the end of its answer, without streams of events.",
    ["method", "route", "status"],
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_VERSION = "/v1"
_STREAMED = f"{_VERSION}/jobs/{{job_id}}/events"


def observe(scope: Scope, status: int, seconds: float) -> None:
    """Count a request under its route. Paths would give too many labels."""
    route = _route(scope)
    if route != _STREAMED:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        _SECONDS.labels(method, route, str(status)).observe(seconds)


def _route(scope: Scope) -> str:
    within = getattr(scope.get("route"), "path_format", None)
    if within is None:
        return "unknown"
    # FastAPI gives the path within the router, without the prefix of the router.
    return _VERSION + within if scope["path"].startswith(f"{_VERSION}/") else within
