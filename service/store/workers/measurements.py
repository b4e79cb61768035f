"""Measures queues, runs, failures and workers.

Current runs are counted by indexes, ended runs by tallies (`RunTally`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import String, and_, any_, func, or_, select, text
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from service.store.states import Reason, RunState
from service.store.tables import Run, RunTally, Worker, WorkerState
from service.store.workers import pools

QUANTILES = (0.5, 0.9, 0.99)
MOST_QUEUES = 100
"""Number of pools that are measured by name: those with the longest queues."""
OTHER_POOLS = "(other)"
"""Name for all other pools together; names of pools have no parentheses."""
_LATELY = timedelta(minutes=15)
_SUM_UP = text(
    """
    WITH many AS (
        DELETE FROM run_tallies RETURNING state, failure_reason, number, seconds
    )
    INSERT INTO run_tallies (state, failure_reason, number, seconds)
    SELECT state, failure_reason, sum(number), sum(seconds) FROM many
    GROUP BY state, failure_reason
    """
)
"""Isolation of the summing up: readers see the old rows or their sum."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of a pool."""

    pool: str
    depth: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Measurements:
    """Counts from the database.

    Attributes:
        runs: number of runs by state.
        failures: number of failed runs by reason.
        device_seconds: device seconds of all runs, including deleted and retried ones.
        workers: number of workers by state.
        claim_seconds: seconds from queued to claimed of recent runs, at `QUANTILES`; empty if none.
    """

    queues: Sequence[Queue]
    runs: Mapping[RunState, int]
    failures: Mapping[Reason, int]
    device_seconds: float
    workers: Mapping[WorkerState, int]
    claim_seconds: Sequence[float]


def measure(session: Session) -> Measurements:
    """Count without reading ended runs."""
    queues = _queues(session)
    runs: Counter[RunState] = Counter({RunState.QUEUED: sum(queue.depth for queue in queues)})
    for state in (RunState.BLOCKED, RunState.RUNNING):
        counted = select(func.count()).select_from(Run).where(Run.state == state)
        runs[state] = session.scalars(counted).one()
    failures: Counter[Reason] = Counter()
    device_seconds = Decimal()
    tallies = select(
        RunTally.state,
        RunTally.failure_reason,
        func.sum(RunTally.number),
        func.sum(RunTally.seconds),
    ).group_by(RunTally.state, RunTally.failure_reason)
    for state, reason, number, seconds in session.execute(tallies):
        runs[state] += int(number)
        device_seconds += seconds
        if state is RunState.FAILED and reason is not None:
            failures[reason] += int(number)
    workers = session.execute(select(Worker.state, func.count()).group_by(Worker.state))
    return Measurements(
        queues=queues,
        runs=runs,
        failures=failures,
        device_seconds=float(device_seconds),
        workers={state: count for state, count in workers},  # noqa: C416
        claim_seconds=_claim_seconds(session),
    )


def sum_up(session: Session) -> None:
    """Replace many tallies by one, for each state and reason; the sums stay equal."""
    session.execute(_SUM_UP)


def _queues(session: Session) -> Sequence[Queue]:
    oldest = func.extract("epoch", func.clock_timestamp() - func.min(Run.queued_at))
    rows = session.execute(
        select(Run.pool, func.count(), oldest)
        .where(Run.state == RunState.QUEUED)
        .group_by(Run.pool)
        .order_by(Run.pool)
    )
    return _bounded([Queue(pool, count, float(seconds or 0)) for pool, count, seconds in rows])


def _bounded(queues: Sequence[Queue]) -> Sequence[Queue]:
    """The longest queues, and all others as one."""
    if len(queues) <= MOST_QUEUES:
        return queues
    by_depth = sorted(queues, key=lambda queue: queue.depth, reverse=True)
    named, others = by_depth[:MOST_QUEUES], by_depth[MOST_QUEUES:]
    depth = sum(queue.depth for queue in others)
    oldest = max(queue.oldest_seconds for queue in others)
    return [*sorted(named, key=lambda queue: queue.pool), Queue(OTHER_POOLS, depth, oldest)]


def _claim_seconds(session: Session) -> Sequence[float]:
    ended = array(pools.with_ends(session), type_=String)
    lately = and_(Run.pool == any_(ended), Run.finished_at > func.now() - _LATELY)
    waited = func.extract("epoch", Run.started_at - Run.queued_at)
    quantiles = session.scalar(
        select(func.percentile_cont(list(QUANTILES)).within_group(waited)).where(
            or_(Run.state == RunState.RUNNING, lately),
            Run.started_at > func.now() - _LATELY,
        )
    )
    return [float(value) for value in quantiles or ()]
