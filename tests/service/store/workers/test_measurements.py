"""Measurements agree with the rows after every change."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from service.settings import Settings
from service.store.database import Database
from service.store.jobs import commands, jobs, retention
from service.store.runs import finishing
from service.store.runs.finishing import Failure, Success
from service.store.states import Reason, RunState
from service.store.tables import Run, RunTally
from service.store.workers import measurements
from service.store.workers.measurements import Measurements
from tests.service.store.conftest import SESSION, Claim, Submit


@pytest.fixture
def measured(database: Database) -> Callable[[], Measurements]:
    """Measure, and compare the counts with the rows."""

    def measured() -> Measurements:
        with database.transaction() as session:
            found = measurements.measure(session)
            query = select(Run.state, Run.failure_reason)
            rows = session.execute(query).all()
        assert Counter(found.runs) == Counter(state for state, _ in rows)
        failed = Counter(reason for state, reason in rows if state is RunState.FAILED)
        assert Counter(found.failures) == failed
        return found

    return measured


@pytest.fixture
def end(claim: Claim, database: Database, settings: Settings) -> Callable[..., None]:
    """Claim the next run and end it."""

    def end(failure: Reason | None = None) -> None:
        claimed = claim()
        assert claimed is not None
        with database.transaction() as session:
            if failure is None:
                finishing.succeed(session, claimed.lease, Success(None, ()), settings)
            else:
                finishing.fail(session, claimed.lease, Failure(failure, "so"), settings)

    return end


def ended(found: Measurements) -> tuple[int, float]:
    return found.runs[RunState.SUCCEEDED], found.device_seconds


def test_every_state_change_of_a_run_is_counted(
    submit: Submit,
    claim: Claim,
    end: Callable[..., None],
    measured: Callable[[], Measurements],
    database: Database,
    settings: Settings,
) -> None:
    first, second = submit(SESSION), submit(SESSION)
    assert measured().runs[RunState.BLOCKED] == 6
    end()
    end(Reason.DIVERGED)
    assert measured().runs[RunState.CANCELLED] == 1, "the control of the failed run"
    end()
    end()
    end(Reason.INTERNAL)
    lost = claim()
    assert lost is not None
    assert measured().runs[RunState.RUNNING] == 1
    with database.transaction() as session:
        finishing.lose(session, lost.lease, settings, "silence")
    assert measured().runs[RunState.QUEUED] == 1
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, second))
    assert set(measured().failures) == {Reason.DIVERGED, Reason.INTERNAL}
    with database.transaction() as session:
        commands.retry(session, jobs.get(session, first))
    assert measured().failures[Reason.DIVERGED] == 0
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, first))
    measured()
    with database.transaction() as session:
        commands.delete(session, jobs.get(session, second))
    measured()
    with database.transaction() as session:
        assert retention.expire_jobs(session, Settings().lease * 0, "keep") == 1
    assert sum(measured().runs.values()) == 0


def test_device_seconds_never_decrease(
    submit: Submit,
    end: Callable[..., None],
    measured: Callable[[], Measurements],
    database: Database,
) -> None:
    job_id = submit()
    end(Reason.DIVERGED)
    with database.transaction() as session:
        first = session.scalars(select(Run.seconds)).one()
    assert measured().device_seconds == pytest.approx(first)

    with database.transaction() as session:
        commands.retry(session, jobs.get(session, job_id))
    assert measured().device_seconds == pytest.approx(first)
    end()
    with database.transaction() as session:
        second = session.scalars(select(Run.seconds)).one()
        commands.delete(session, jobs.get(session, job_id))
    assert measured().device_seconds == pytest.approx(first + second)


def test_tallies_can_be_summed_up_while_runs_end(
    submit: Submit,
    end: Callable[..., None],
    measured: Callable[[], Measurements],
    database: Database,
) -> None:
    for _ in range(4):
        submit()
    for _ in range(3):
        end()
    before = measured()

    with database.transaction() as session:
        measurements.sum_up(session)
        assert ended(measured()) == ended(before), "other transactions see the old tallies"
        end()
        assert measured().runs[RunState.SUCCEEDED] == 4

    after = measured()
    assert after.runs[RunState.SUCCEEDED] == 4
    assert after.device_seconds > before.device_seconds
    with database.transaction() as session:
        measurements.sum_up(session)
    with database.transaction() as session:
        (tally,) = session.scalars(select(RunTally)).all()
        assert (tally.state, tally.number) == (RunState.SUCCEEDED, 4)
    assert ended(measured()) == ended(after), "the sums are exact"


def test_sums_of_tallies_do_not_depend_on_their_order(database: Database) -> None:
    """If a counter decreases by a rounding error, Prometheus treats it as restarted."""
    with database.transaction() as session:
        for seconds in ("1e15", "0.1", "0.2", "0.3"):
            tally = RunTally(state=RunState.SUCCEEDED, number=1, seconds=Decimal(seconds))
            session.add(tally)
    with database.transaction() as session:
        assert session.scalar(select(func.sum(RunTally.seconds))) == Decimal("1e15") + Decimal(
            "0.6"
        )
