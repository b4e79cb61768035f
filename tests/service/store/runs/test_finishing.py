"""The end of an attempt is fenced by its number, and updates the job."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from service.settings import Settings
from service.store.blobs.object_store import Blob
from service.store.blobs.saving import enter
from service.store.database import Database
from service.store.errors import LeaseLost, NotInThatState
from service.store.jobs import commands, events, jobs
from service.store.runs import finishing, leases, runs
from service.store.runs.claims import Claimed
from service.store.runs.finishing import Failure, Kept, Success
from service.store.states import JobState, Reason, RunState
from service.store.tables import Artifact, Event, Result, Run, RunNeed
from tests.service.store.conftest import Claim, Submit

SESSION = {
    "kind": "session",
    "experiments": [{"name": "a"}, {"name": "b"}],
}
BLOB = Blob.of(b"masks")
NOTHING = Success(None, ())


def claimed(claim: Claim) -> Claimed:
    found = claim()
    assert found is not None
    return found


def state_of(database: Database, job_id: str) -> JobState:
    with database.transaction() as session:
        return jobs.get(session, job_id).state


def test_a_run_with_an_expired_lease_is_queued_and_its_old_worker_cannot_write(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit()
    old = claimed(claim).lease
    with database.transaction() as session:
        assert finishing.expired(session) == []
        session.execute(update(Run).values(lease_expires_at=func.now() - timedelta(seconds=1)))
    with database.transaction() as session:
        assert finishing.expired(session) == [old]
        finishing.lose(session, old, settings, "silence")
    new = claimed(claim).lease
    assert (new.run_id, new.attempt) == (old.run_id, old.attempt + 1)
    with database.transaction() as session:
        enter(session, [BLOB])

    with_files = Success(None, [Kept("masks.npz", BLOB, "x")])
    writes = (
        lambda session: leases.renew(session, old, settings.lease),
        lambda session: leases.save_checkpoint(session, old, BLOB.digest),
        lambda session: leases.tell(session, old, settings.lease, {}, []),
        lambda session: finishing.succeed(session, old, with_files, settings),
        lambda session: finishing.fail(session, old, Failure(Reason.INTERNAL, ""), settings),
        lambda session: finishing.cancelled(session, old, settings),
        lambda session: finishing.give_back(session, old, settings, ""),
        lambda session: finishing.lose(session, old, settings, ""),
    )
    for write in writes:
        with pytest.raises(LeaseLost), database.transaction() as session:
            write(session)
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Artifact)) == 0
        finishing.succeed(session, new, with_files, settings)
        assert session.scalar(select(func.count()).select_from(Artifact)) == 1


def test_a_second_commit_of_a_run_is_refused(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit()
    lease = claimed(claim).lease
    with database.transaction() as session:
        finishing.succeed(session, lease, NOTHING, settings)

    with pytest.raises(LeaseLost), database.transaction() as session:
        finishing.succeed(session, lease, NOTHING, settings)


def test_a_failed_run_cancels_dependent_runs_and_fails_the_job(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(SESSION)

    with database.transaction() as session:
        failure = Failure(Reason.DIVERGED, "NaN", log_tail="...")
        finishing.fail(session, claimed(claim).lease, failure, settings)

    with database.transaction() as session:
        states = [run.state for run in runs.of_job(session, job_id)]
        job = jobs.get(session, job_id)
    assert states == [RunState.FAILED, *[RunState.CANCELLED] * 2]
    assert job.state is JobState.FAILED
    assert job.failure == {
        "run": "trial-1/trunk",
        "attempt": 1,
        "reason": "diverged",
        "message": "NaN",
    }


def test_a_retry_queues_unsuccessful_runs_and_keeps_their_checkpoints(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(SESSION)
    with database.transaction() as session:
        finishing.succeed(session, claimed(claim).lease, NOTHING, settings)
    lease = claimed(claim).lease
    with database.transaction() as session:
        enter(session, [BLOB])
        leases.save_checkpoint(session, lease, BLOB.digest)
        commands.cancel(session, jobs.get(session, job_id))
    assert state_of(database, job_id) is JobState.RUNNING
    with database.transaction() as session:
        assert leases.renew(session, lease, settings.lease), (
            "the heartbeat returns the order to stop"
        )
        finishing.cancelled(session, lease, settings)
    assert state_of(database, job_id) is JobState.CANCELLED
    assert claim() is None

    with database.transaction() as session:
        commands.retry(session, jobs.get(session, job_id))

    with database.transaction() as session:
        states = {run.key: run.state for run in runs.of_job(session, job_id)}
    assert states == {
        "trial-1/trunk": RunState.SUCCEEDED,
        "trial-1/a": RunState.QUEUED,
        "trial-1/b": RunState.QUEUED,
    }
    again = claimed(claim)
    assert (again.checkpoint_digest, again.lease.attempt) == (BLOB.digest, lease.attempt + 1)


def test_a_cancelled_queued_job_never_starts(
    submit: Submit, claim: Claim, database: Database
) -> None:
    job_id = submit(SESSION)

    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, job_id))

    assert state_of(database, job_id) is JobState.CANCELLED
    assert claim() is None


def test_a_succeeded_job_can_be_deleted_but_not_cancelled_or_retried(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    lease = claimed(claim).lease
    for command in (commands.delete, commands.retry):
        with pytest.raises(NotInThatState), database.transaction() as session:
            command(session, jobs.get(session, job_id))
    with database.transaction() as session:
        finishing.succeed(session, lease, NOTHING, settings)
    for command in (commands.cancel, commands.retry):
        with pytest.raises(NotInThatState), database.transaction() as session:
            command(session, jobs.get(session, job_id))

    with database.transaction() as session:
        commands.delete(session, jobs.get(session, job_id))

    with database.transaction() as session:
        for table in (Run, Event, Result, RunNeed):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_a_run_with_a_cancel_request_is_cancelled_when_its_worker_is_lost(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    lease = claimed(claim).lease
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, job_id))

    with database.transaction() as session:
        finishing.lose(session, lease, settings, "silence")

    assert state_of(database, job_id) is JobState.CANCELLED


def test_events_are_numbered_without_gaps_and_can_be_read_from_any_number(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit(SESSION)
    for _ in range(3):
        with database.transaction() as session:
            finishing.succeed(session, claimed(claim).lease, NOTHING, settings)

    with database.transaction() as session:
        history = events.since(session, job_id)
        later = events.since(session, job_id, after=5)
    assert [event.number for event in history] == list(range(1, len(history) + 1))
    assert history[-1].kind == "job_finished"
    assert [event.number for event in later] == [event.number for event in history[5:]]
    assert sorted(event.at for event in history) == [event.at for event in history]
