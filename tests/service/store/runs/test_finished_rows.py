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
        there = runs.of_job(session, job_id)
        return jobs.get(session, job_id), {run.key.rpartition("/")[2]: run for run in there}


@pytest.mark.parametrize("how", ["succeeds", "fails", "is cancelled", "is given back"])
def test_a_run_that_no_worker_has_is_under_no_lease(
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

    _, there = found(database, job_id)
    run = there["ticket"]
    ended = how != "is given back"
    assert run.lease_expires_at is None
    assert (run.finished_at is not None, run.log_digest) == (ended, LOG.digest if ended else None)
    assert (run.worker_id is None) == (not ended)
    assert run.log_tail == ("the last lines" if how == "fails" else None)


def test_a_heartbeat_holds_the_run_for_longer_and_says_how_far_it_is(
    submit: Submit, claim: Claim, database: Database
) -> None:
    job_id = submit()
    lease = lease_of(claim)
    for progress in ({"level": 1}, None):
        with database.transaction() as session:
            leases.renew(session, lease, timedelta(days=1), progress)

    _, there = found(database, job_id)
    with database.transaction() as session:
        now = workers.clock(session)
    held_until = there["ticket"].lease_expires_at
    assert held_until is not None
    assert held_until - now > timedelta(hours=23)
    assert there["ticket"].progress == {"level": 1}, "a heartbeat that knows nothing new adds none"


def test_a_run_fails_when_its_worker_is_lost_as_often_as_is_allowed(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    assert settings.max_losses == 3
    for losses, state in ((1, RunState.QUEUED), (2, RunState.QUEUED), (3, RunState.FAILED)):
        with database.transaction() as session:
            assert finishing.lose(session, lease_of(claim), settings, "silence") is state
        _, there = found(database, job_id)
        assert (there["ticket"].state, there["ticket"].losses) == (state, losses)

    assert there["ticket"].failure_reason is Reason.WORKER_LOST
    assert "lost 3 times, at last because silence" in (there["ticket"].failure_message or "")


def test_a_drained_run_is_not_counted_as_lost(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    for give in (finishing.lose, finishing.give_back):
        with database.transaction() as session:
            give(session, lease_of(claim), settings, "why")

    _, there = found(database, job_id)
    assert there["ticket"].losses == 1


def test_runs_of_a_worker_are_those_that_it_executes(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    for _ in range(3):
        submit()
    done, mine, _ = lease_of(claim, "one"), lease_of(claim, "one"), lease_of(claim, "other")
    with database.transaction() as session:
        finishing.succeed(session, done, DONE, settings)
        assert finishing.held_by(session, ["one", "third"]) == [mine]


def test_those_whose_lease_ended_first_are_given_back_first(
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


def test_what_a_run_needs_is_counted_down_by_those_that_succeed(
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
        told = [(event.kind, event.run) for event in events.since(session, job_id)]
    assert told.index(("run_queued", "trial-1/c")) == told.index(("run_succeeded", "trial-1/a")) + 1


def test_a_failure_ends_what_needs_it_and_is_the_jobs_if_it_is_the_first(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(SESSION)
    with database.transaction() as session:
        finishing.succeed(session, lease_of(claim), DONE, settings)
    first, second = lease_of(claim), lease_of(claim)
    with database.transaction() as session:
        finishing.fail(session, first, DIVERGED, settings)

    job, there = found(database, job_id)
    assert (job.state, job.runs_finished, job.finished_at) == (JobState.RUNNING, 3, None)
    assert there["b"].state is RunState.RUNNING, "it does not need what failed"
    assert (there["c"].state, there["c"].failure_reason) == (RunState.CANCELLED, Reason.CANCELLED)
    assert there["c"].failure_message == "it needs 'trial-1/a', which failed"
    assert there["c"].finished_at is not None
    with database.transaction() as session:
        finishing.fail(session, second, DIVERGED, settings)
    job, _ = found(database, job_id)
    assert job.failure is not None
    assert (job.state, job.failure["run"]) == (JobState.FAILED, "trial-1/a")


@pytest.mark.parametrize("afresh", [False, True])
def test_a_retried_job_is_as_if_it_had_not_ended(
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

    job, there = found(database, job_id)
    assert 0 < job.seconds_before_retry < 100, "what other jobs took is not its own"
    assert (job.failure, job.finished_at, job.cancel_requested_at) == (None, None, None)
    assert (job.started_at, job.runs_finished) == (started, 1)
    again = [there["a"], there["b"], there["c"]]
    assert [run.state for run in again] == [RunState.QUEUED, RunState.QUEUED, RunState.BLOCKED]
    assert [run.waiting_for for run in again] == [0, 0, 1]
    assert [run.queued_at and run.queued_at > ended for run in again] == [True, True, None]
    for run in again:
        assert (run.failure_reason, run.failure_message, run.log_tail) == (None, None, None)
        assert (run.finished_at, run.worker_id, run.cancel_requested) == (None, None, False)
        assert (run.losses, run.seconds) == (0, 0.0)
    going_on = (None, None) if afresh else (LOG.digest, {"level": 1})
    assert (there["a"].checkpoint_digest, there["a"].progress) == going_on


def test_a_cancelled_run_says_so_and_one_that_has_succeeded_stays(
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

    job, there = found(database, job_id)
    assert asked[0] == asked[1] == job.cancel_requested_at is not None
    assert (there["trunk"].state, there["trunk"].cancel_requested) == (RunState.SUCCEEDED, False)
    assert (there["a"].state, there["a"].cancel_requested) == (RunState.RUNNING, True)
    for run in (there["b"], there["c"]):
        assert (run.state, run.failure_reason) == (RunState.CANCELLED, Reason.CANCELLED)
        assert (run.failure_message, run.finished_at is None) == ("cancelled on request", False)
    with database.transaction() as session:
        assert leases.renew(session, running, settings.lease)
        told = [(event.kind, event.run) for event in events.since(session, job_id)]
    assert told.count(("job_cancel_requested", None)) == 2
    assert [run for kind, run in told if kind == "run_cancelled"] == ["trial-1/b", "trial-1/c"]


@pytest.mark.parametrize("ends", ["succeeds", "fails"])
def test_what_was_cancelled_stays_so_however_that_ends_which_it_needed(
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

    job, there = found(database, job_id)
    assert job.state is (JobState.CANCELLED if ends == "succeeds" else JobState.FAILED)
    for run in (there["a"], there["b"], there["c"]):
        assert (run.state, run.failure_message) == (RunState.CANCELLED, "cancelled on request")
    with database.transaction() as session:
        told = [event.kind for event in events.since(session, job_id)]
    assert (told.count("run_cancelled"), told.count("run_queued")) == (3, 0)
    assert claim() is None
