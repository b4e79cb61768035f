"""What there is to measure: queues, runs, failures, workers, all of it counted from the rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from service.store.states import Reason, RunState
from service.store.tables import Run, Worker, WorkerState

QUANTILES = (0.5, 0.9, 0.99)
_LATELY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Queue:
    """The queued runs of a pool."""

    pool: str
    depth: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Measurements:
    """What the rows say now.

    Attributes:
        runs: how many there are, by state.
        failures: how many failed, by reason.
        device_seconds: that runs took so far.
        workers: how many there are, by state.
        claim_seconds: from queued to claimed of the runs that started lately, at `QUANTILES`;
            empty when none did.
    """

    queues: Sequence[Queue]
    runs: Mapping[RunState, int]
    failures: Mapping[Reason, int]
    device_seconds: float
    workers: Mapping[WorkerState, int]
    claim_seconds: Sequence[float]


def measure(session: Session) -> Measurements:
    """Count; the runs of all time are read once."""
    runs: Counter[RunState] = Counter()
    failures: Counter[Reason] = Counter()
    device_seconds = 0.0
    ends = select(Run.state, Run.failure_reason, func.count(), func.sum(Run.seconds))
    for state, reason, count, seconds in session.execute(
        ends.group_by(Run.state, Run.failure_reason)
    ):
        runs[state] += count
        device_seconds += seconds
        if state is RunState.FAILED and reason is not None:
            failures[reason] += count
    workers = session.execute(select(Worker.state, func.count()).group_by(Worker.state))
    return Measurements(
        queues=_queues(session),
        runs=runs,
        failures=failures,
        device_seconds=device_seconds,
        workers={state: count for state, count in workers},  # noqa: C416
        claim_seconds=_claim_seconds(session),
    )


def _queues(session: Session) -> Sequence[Queue]:
    oldest = func.extract("epoch", func.clock_timestamp() - func.min(Run.queued_at))
    rows = session.execute(
        select(Run.pool, func.count(), oldest)
        .where(Run.state == RunState.QUEUED)
        .group_by(Run.pool)
        .order_by(Run.pool)
    )
    return [Queue(pool, count, float(seconds or 0)) for pool, count, seconds in rows]


def _claim_seconds(session: Session) -> Sequence[float]:
    waited = func.extract("epoch", Run.started_at - Run.queued_at)
    quantiles = session.scalar(
        select(func.percentile_cont(list(QUANTILES)).within_group(waited)).where(
            or_(Run.state == RunState.RUNNING, Run.finished_at > func.now() - _LATELY),
            Run.started_at > func.now() - _LATELY,
        )
    )
    return [float(value) for value in quantiles or ()]
