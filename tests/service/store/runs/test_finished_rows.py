"""The rows of a run, of dependent runs and of the job after the end of an attempt."""

from datetime import timedelta

import pytest
from sqlalchemy import func, update

from service.settings import Settings
from service.store.blobs.object_store import Blob
from service.store.blobs.saving import enter
from service.store.database import Database
from service.store.jobs import commands, events, jobs
from service.store.runs import finishing, leases, runs
from service.store.runs.finishing import Failure, Success
from service.store.runs.leases import Lease
from service.store.states import JobState, Reason, RunState
from service.store.tables import Job, Run
from service.store.workers import workers
from tests.service.store.conftest import SESSION, Claim, Submit

LOG = Blob.of(b"log")
DONE = Success(None, ())
DIVERGED = Failure(Reason.DIVERGED, "NaN")


def lease_of(claim: Claim, worker: str = "host/1/1") -> Lease:
    claimed = claim(worker=worker)
    assert claimed is not None
    return claimed.lease


def found(database: Database, job_id: str) -> tuple[Job, dict[str, Run]]:
    """A job, and its runs by the last part of their keys."""
    with database.transaction() as session:
        rows = runs.of_job(session, job_id)
        return jobs.get(session, job_id), {run.key.rpartition("/")[2]: run for run in rows}


@pytest.mark.parametrize("how", ["succeeds", "fails", "is cancelled", "is given back"])
def test_a_run_that_no_worker_executes_has_no_lease(
    how: str, submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    lease = lease_of(claim)
    with database.transaction() as session:
        enter(session, [LOG])
        match how:
            case "succeeds":
                finishing.succeed(session, lease, Success(None, (), log=LOG), settings)
            case "fails":
                failure = Failure(Reason.DIVERGED, "NaN", LOG, "the last lines")
                finishing.fail(session, lease, failure, settings)
            case "is cancelled":
                finishing.cancelled(session, lease, settings, LOG)
            case _:
                finishing.give_back(session, lease, settings, "its worker drains")

    _, by_name = found(database, job_id)
    run = by_name["ticket"]
    ended = how != "is given back"
    assert run.lease_expires_at is None
    assert (run.finished_at is not None, run.log_digest) == (ended, LOG.digest if ended else None)
    assert (run.worker_id is None) == (not ended)
    assert run.log_tail == ("the last lines" if how == "fails" else None)


def test_a_heartbeat_extends_the_lease_and_stores_the_progress(
    submit: Submit, claim: Claim, database: Database
) -> None:
    job_id = submit()
    lease = lease_of(claim)
    for progress in ({"level": 1}, None):
        with database.transaction() as session:
            leases.renew(session, lease, timedelta(days=1), progress)

    _, by_name = found(database, job_id)
    with database.transaction() as session:
        now = workers.clock(session)
    held_until = by_name["ticket"].lease_expires_at
    assert held_until is not None
    assert held_until - now > timedelta(hours=23)
    assert by_name["ticket"].progress == {"level": 1}, (
        "a heartbeat without progress keeps the old one"
    )


def test_a_run_fails_after_the_maximum_number_of_losses(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    assert settings.max_losses == 3
    for losses, state in ((1, RunState.QUEUED), (2, RunState.QUEUED), (3, RunState.FAILED)):
        with database.transaction() as session:
            assert finishing.lose(session, lease_of(claim), settings, "silence") is state
        _, by_name = found(database, job_id)
        assert (by_name["ticket"].state, by_name["ticket"].losses) == (state, losses)

    assert by_name["ticket"].failure_reason is Reason.WORKER_LOST
    assert "lost 3 times, at last because silence" in (by_name["ticket"].failure_message or "")


def test_a_released_run_does_not_count_as_lost(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    for give in (finishing.lose, finishing.give_back):
        with database.transaction() as session:
            give(session, lease_of(claim), settings, "why")

    _, by_name = found(database, job_id)
    assert by_name["ticket"].losses == 1


def test_a_worker_holds_only_the_runs_that_it_executes(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    for _ in range(3):
        submit()
    done, mine, _ = lease_of(claim, "one"), lease_of(claim, "one"), lease_of(claim, "other")
    with database.transaction() as session:
        finishing.succeed(session, done, DONE, settings)
        assert finishing.held_by(session, ["one", "third"]) == [mine]


def test_the_leases_that_expired_first_come_first(
    submit: Submit, claim: Claim, database: Database
) -> None:
    for _ in range(3):
        submit()
    held = [lease_of(claim) for _ in range(3)]
    with database.transaction() as session:
        for lease, seconds in zip(held, (10, 30, 20), strict=True):
            expired = func.now() - timedelta(seconds=seconds)
            session.execute(
                update(Run).where(Run.id == lease.run_id).values(lease_expires_at=expired)
            )
        assert finishing.expired(session, limit=2) == [held[1], held[2]]


def test_a_blocked_run_is_queued_when_all_runs_that_it_needs_have_succeeded(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(SESSION)
    for key in ("trunk", "a", "b", "c"):
        _, before = found(database, job_id)
        assert (before["c"].state is RunState.BLOCKED) == (key in ("trunk", "a"))
        assert (before["c"].queued_at is None) == (key in ("trunk", "a"))
        lease = lease_of(claim)
        assert lease.key == f"trial-1/{key}"
        with database.transaction() as session:
            finishing.succeed(session, lease, DONE, settings)

    job, _ = found(database, job_id)
    assert (job.state, job.runs_finished) == (JobState.SUCCEEDED, 4)
    with database.transaction() as session:
        history = [(event.kind, event.run) for event in events.since(session, job_id)]
    assert (
        history.index(("run_queued", "trial-1/c"))
        == history.index(("run_succeeded", "trial-1/a")) + 1
    )


def test_a_failure_cancels_dependent_runs_and_the_first_failure_is_reported_for_the_job(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(SESSION)
    with database.transaction() as session:
        finishing.succeed(session, lease_of(claim), DONE, settings)
    first, second = lease_of(claim), lease_of(claim)
    with database.transaction() as session:
        finishing.fail(session, first, DIVERGED, settings)

    job, by_name = found(database, job_id)
    assert (job.state, job.runs_finished, job.finished_at) == (JobState.RUNNING, 3, None)
    assert by_name["b"].state is RunState.RUNNING, "it does not need the failed run"
    assert (by_name["c"].state, by_name["c"].failure_reason) == (
        RunState.CANCELLED,
        Reason.CANCELLED,
    )
    assert by_name["c"].failure_message == "it needs 'trial-1/a', which failed"
    assert by_name["c"].finished_at is not None
    with database.transaction() as session:
        finishing.fail(session, second, DIVERGED, settings)
    job, _ = found(database, job_id)
    assert job.failure is not None
    assert (job.state, job.failure["run"]) == (JobState.FAILED, "trial-1/a")


@pytest.mark.parametrize("afresh", [False, True])
def test_a_retry_resets_the_job_and_its_unsuccessful_runs(
    afresh: bool, submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(SESSION)
    with database.transaction() as session:
        finishing.succeed(session, lease_of(claim), DONE, settings)
    lease = lease_of(claim)
    with database.transaction() as session:
        enter(session, [LOG])
        leases.renew(session, lease, settings.lease, {"level": 1})
        leases.save_checkpoint(session, lease, LOG.digest)
        commands.cancel(session, jobs.get(session, job_id))
        failure = Failure(Reason.DIVERGED, "NaN", LOG, "the last lines")
        finishing.fail(session, lease, failure, settings)
    job, _ = found(database, job_id)
    started, ended = job.started_at, job.finished_at
    assert ended is not None
    assert job.cancel_requested_at is not None

    submit()
    with database.transaction() as session:
        session.execute(update(Run).where(Run.job_id != job_id).values(seconds=1000.0))
        commands.retry(session, jobs.get(session, job_id), afresh=afresh)

    job, by_name = found(database, job_id)
    assert 0 < job.seconds_before_retry < 100, "the time of other jobs does not count"
    assert (job.failure, job.finished_at, job.cancel_requested_at) == (None, None, None)
    assert (job.started_at, job.runs_finished) == (started, 1)
    again = [by_name["a"], by_name["b"], by_name["c"]]
    assert [run.state for run in again] == [RunState.QUEUED, RunState.QUEUED, RunState.BLOCKED]
    assert [run.waiting_for for run in again] == [0, 0, 1]
    assert [run.queued_at and run.queued_at > ended for run in again] == [True, True, None]
    for run in again:
        assert (run.failure_reason, run.failure_message, run.log_tail) == (None, None, None)
        assert (run.finished_at, run.worker_id, run.cancel_requested) == (None, None, False)
        assert (run.losses, run.seconds) == (0, 0.0)
    kept = (None, None) if afresh else (LOG.digest, {"level": 1})
    assert (by_name["a"].checkpoint_digest, by_name["a"].progress) == kept


def test_a_cancel_marks_unfinished_runs_and_keeps_succeeded_runs(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(SESSION)
    with database.transaction() as session:
        finishing.succeed(session, lease_of(claim), DONE, settings)
    running = lease_of(claim)
    asked = []
    for _ in range(2):
        with database.transaction() as session:
            asked.append(commands.cancel(session, jobs.get(session, job_id)).cancel_requested_at)

    job, by_name = found(database, job_id)
    assert asked[0] == asked[1] == job.cancel_requested_at is not None
    assert (by_name["trunk"].state, by_name["trunk"].cancel_requested) == (
        RunState.SUCCEEDED,
        False,
    )
    assert (by_name["a"].state, by_name["a"].cancel_requested) == (RunState.RUNNING, True)
    for run in (by_name["b"], by_name["c"]):
        assert (run.state, run.failure_reason) == (RunState.CANCELLED, Reason.CANCELLED)
        assert (run.failure_message, run.finished_at is None) == ("cancelled on request", False)
    with database.transaction() as session:
        assert leases.renew(session, running, settings.lease)
        history = [(event.kind, event.run) for event in events.since(session, job_id)]
    assert history.count(("job_cancel_requested", None)) == 2
    assert [run for kind, run in history if kind == "run_cancelled"] == ["trial-1/b", "trial-1/c"]


@pytest.mark.parametrize("ends", ["succeeds", "fails"])
def test_a_cancelled_run_stays_cancelled_when_the_run_that_it_needs_ends(
    ends: str, submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(SESSION)
    lease = lease_of(claim)
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, job_id))
        if ends == "succeeds":
            finishing.succeed(session, lease, DONE, settings)
        else:
            finishing.fail(session, lease, DIVERGED, settings)

    job, by_name = found(database, job_id)
    assert job.state is (JobState.CANCELLED if ends == "succeeds" else JobState.FAILED)
    for run in (by_name["a"], by_name["b"], by_name["c"]):
        assert (run.state, run.failure_message) == (RunState.CANCELLED, "cancelled on request")
    with database.transaction() as session:
        history = [event.kind for event in events.since(session, job_id)]
    assert (history.count("run_cancelled"), history.count("run_queued")) == (3, 0)
    assert claim() is None
