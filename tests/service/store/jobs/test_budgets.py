"""All runs and attempts of a job share its time budget; queued runs time out when it is spent."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from service.settings import Settings
from service.store.database import Database
from service.store.jobs import budgets, commands, jobs
from service.store.jobs.queue_position import outlook
from service.store.runs import claims, finishing, leases, runs
from service.store.runs.claims import Claimed
from service.store.runs.finishing import Success
from service.store.states import JobState, Reason, RunState
from service.store.tables import Event, Job, Run
from tests.service.store.conftest import SESSION, Claim, Submit
from tests.service.store.jobs.test_concurrent_commands import run_concurrently, wait_until_blocked

TRIALS = {"kind": "robust", "trials": 3, "experiments": [{"name": "a"}]}
DONE = Success(None, ())


def claimed(claim: Claim) -> Claimed:
    found = claim()
    assert found is not None
    return found


def started_earlier(database: Database, claim: Claimed, seconds: float) -> None:
    """Move the start of a run into the past."""
    with database.transaction() as session:
        session.execute(
            update(Run)
            .where(Run.id == claim.lease.run_id)
            .values(started_at=func.clock_timestamp() - timedelta(seconds=seconds))
        )


def about(seconds: float) -> object:
    """A number of seconds, with a tolerance for the duration of a test."""
    return pytest.approx(seconds, abs=100)


def test_a_job_without_max_seconds_has_no_budget(
    submit: Submit, claim: Claim, database: Database
) -> None:
    job_id = submit()
    assert claimed(claim).job_lasts is None
    with database.transaction() as session:
        assert budgets.of_job(session, job_id) is None


def test_concurrent_runs_share_the_remaining_time(
    submit: Submit, claim: Claim, database: Database
) -> None:
    job_id = submit(TRIALS, max_seconds=10_000)
    first = claimed(claim)
    assert first.job_lasts == about(10_000)
    started_earlier(database, first, 4_000)
    assert claimed(claim).job_lasts == about((10_000 - 4_000) / 2)
    with database.transaction() as session:
        budget = budgets.of_job(session, job_id)
    assert budget is not None
    assert (budget.left, budget.running) == (about(6_000), 2)
    with database.transaction() as session:
        assert outlook(session, jobs.get(session, job_id)).seconds == about(4_000)


def test_released_attempts_count_towards_the_budget(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit(max_seconds=10_000)
    first = claimed(claim)
    started_earlier(database, first, 7_000)
    with database.transaction() as session:
        finishing.give_back(session, first.lease, settings, "its worker drains")
    assert claimed(claim).job_lasts == about(3_000)


@pytest.mark.parametrize("how", ["succeeds", "is given back"])
def test_queued_runs_time_out_when_the_budget_is_spent_and_finished_runs_stay(
    submit: Submit, claim: Claim, database: Database, settings: Settings, how: str
) -> None:
    job_id = submit(TRIALS, max_seconds=100)
    first = claimed(claim)
    started_earlier(database, first, 101)
    with database.transaction() as session:
        if how == "succeeds":
            finishing.succeed(session, first.lease, DONE, settings)
        else:
            finishing.give_back(session, first.lease, settings, "its worker drains")
    assert claim() is None
    with database.transaction() as session:
        job = jobs.get(session, job_id)
        found = runs.of_job(session, job_id)
        kinds = session.scalars(select(Event.kind).where(Event.job_id == job_id)).all()
    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert job.failure["reason"] == Reason.TIMEOUT
    timed_out = [run for run in found if run.state is RunState.FAILED]
    assert len(timed_out) == len(found) - (how == "succeeds")
    assert {run.failure_reason for run in timed_out} == {Reason.TIMEOUT}
    assert kinds.count("run_failed") == len(timed_out)
    assert kinds[-1] == "job_finished"


def test_a_retry_resets_the_budget_and_keeps_finished_runs(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(TRIALS, max_seconds=10_000)
    first = claimed(claim)
    started_earlier(database, first, 10_001)
    with database.transaction() as session:
        finishing.succeed(session, first.lease, DONE, settings)
    with database.transaction() as session:
        commands.retry(session, jobs.get(session, job_id))
    assert claimed(claim).job_lasts == about(10_000)
    with database.transaction() as session:
        assert session.scalars(select(Job.failure)).one() is None
        (done,) = (r for r in runs.of_job(session, job_id) if r.state is RunState.SUCCEEDED)
        assert done.seconds > 100


def states(database: Database, job_id: str) -> list[str]:
    """The states of a job's runs, in the order of its plan."""
    with database.transaction() as session:
        return [str(run.state) for run in runs.of_job(session, job_id)]


def test_a_run_claimed_just_before_the_budget_is_spent_keeps_running(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(TRIALS, max_seconds=100)
    first = claimed(claim)
    started_earlier(database, first, 101)
    run_concurrently(
        database,
        lambda session: claims.claim(session, "host/1/2", ["cpu"], settings),
        lambda session: finishing.succeed(session, first.lease, DONE, settings),
    )
    assert states(database, job_id) == ["succeeded", "running", *["failed"] * 4]


def test_a_timeout_and_a_cancel_do_not_deadlock(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    """The cancel has locked the first run and waits for the second run, which ends."""
    job_id = submit(TRIALS, max_seconds=100)
    first, second = claimed(claim), claimed(claim)
    with database.transaction() as session:
        finishing.give_back(session, first.lease, settings, "its worker drains")
    started_earlier(database, second, 101)

    def cancel() -> None:
        with database.transaction() as session:
            commands.cancel(session, jobs.get(session, job_id))

    with ThreadPoolExecutor(1) as threads:
        with database.transaction() as session:
            leases.renew(session, second.lease, settings.lease)
            cancelling = threads.submit(cancel)
            wait_until_blocked(database)
            finishing.succeed(session, second.lease, DONE, settings)
        cancelling.result()
    assert states(database, job_id) == ["cancelled", "succeeded", *["failed"] * 4]


def test_a_blocked_run_that_timed_out_is_not_queued_by_a_success(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(SESSION, max_seconds=100)
    with database.transaction() as session:
        finishing.succeed(session, claimed(claim).lease, DONE, settings)
    needed, other = claimed(claim), claimed(claim)
    started_earlier(database, other, 101)
    run_concurrently(
        database,
        lambda session: finishing.succeed(session, other.lease, DONE, settings),
        lambda session: finishing.succeed(session, needed.lease, DONE, settings),
    )
    assert states(database, job_id) == [*["succeeded"] * 3, "failed"]
