"""Concurrent commands: the second one waits for the first one, and sees its result."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.settings import Settings
from service.store.accounts import owners
from service.store.accounts.owners import Quota
from service.store.blobs import datasets, saving
from service.store.blobs.object_store import Blob
from service.store.database import Database
from service.store.errors import LeaseLost, NotInThatState, NotThere, QuotaExceeded
from service.store.jobs import commands, events, jobs, retention
from service.store.jobs.events import EventKind, New
from service.store.jobs.submitting import Idempotency
from service.store.runs import claims, finishing, leases, runs
from service.store.runs.finishing import Success
from service.store.runs.leases import Lease
from service.store.states import JobState, RunState
from service.store.tables import Job
from tests.service.store.conftest import Claim, Submit

BLOB = Blob("d" * 64, 600)
DONE = Success(None, ())
T = TypeVar("T")
_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def run_concurrently(
    database: Database, first: Callable[[Session], object], second: Callable[[Session], T]
) -> T:
    """Commit `first` while `second` waits for it; return the result of `second`."""

    def run() -> T:
        with database.transaction() as session:
            return second(session)

    with ThreadPoolExecutor(1) as threads:
        with database.transaction() as session:
            first(session)
            running_second = threads.submit(run)
            wait_until_blocked(database)
        return running_second.result()


def wait_until_blocked(database: Database) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with database.transaction() as session:
            if session.scalar(text(_WAITING)):
                return
        time.sleep(0.005)
    pytest.fail("the second command does not wait for the first")


def delete(job_id: str) -> Callable[[Session], None]:
    return lambda session: commands.delete(session, jobs.get(session, job_id))


def retry(job_id: str) -> Callable[[Session], Job]:
    return lambda session: commands.retry(session, jobs.get(session, job_id))


def expire(session: Session) -> int:
    return retention.expire_jobs(session, timedelta(0), "keep")


@pytest.fixture
def cancelled(submit: Submit, database: Database) -> str:
    job_id = submit()
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, job_id))
    return job_id


def test_the_second_of_two_concurrent_deletions_finds_no_job(
    database: Database, cancelled: str
) -> None:
    with pytest.raises(NotThere, match=cancelled):
        run_concurrently(database, delete(cancelled), delete(cancelled))


def test_a_retry_concurrent_with_a_deletion_finds_no_job(
    database: Database, cancelled: str
) -> None:
    with pytest.raises(NotThere, match=cancelled):
        run_concurrently(database, delete(cancelled), retry(cancelled))


def test_a_deletion_concurrent_with_a_retry_is_refused(database: Database, cancelled: str) -> None:
    with pytest.raises(NotInThatState, match="queued"):
        run_concurrently(database, retry(cancelled), delete(cancelled))


@pytest.fixture
def running(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> tuple[Lease, Lease]:
    """Leases on the last two runs of a job."""
    submit({"kind": "session", "experiments": [{"name": "a"}, {"name": "b"}]})
    trunk, *last = (claim() for _ in range(3))
    assert trunk is not None
    assert last == [None, None]
    with database.transaction() as session:
        finishing.succeed(session, trunk.lease, DONE, settings)
    first, second = claim(), claim()
    assert first is not None
    assert second is not None
    return first.lease, second.lease


def job_and_event_kinds(database: Database, job_id: str) -> tuple[Job, list[str]]:
    """A job and the kinds of its events; checks that their numbers have no gaps."""
    with database.transaction() as session:
        found = events.since(session, job_id)
        assert [event.number for event in found] == list(range(1, len(found) + 1))
        return jobs.get(session, job_id), [event.kind for event in found]


def test_two_last_runs_that_end_concurrently_finish_the_job_once(
    database: Database, running: tuple[Lease, Lease], settings: Settings
) -> None:
    first, second = running
    run_concurrently(
        database,
        lambda session: finishing.succeed(session, first, DONE, settings),
        lambda session: finishing.succeed(session, second, DONE, settings),
    )

    job, kinds = job_and_event_kinds(database, first.job_id)
    assert (job.state, job.runs_finished) == (JobState.SUCCEEDED, 3)
    assert kinds.count("job_finished") == 1


def test_progress_concurrent_with_a_success_gets_its_own_event_number(
    database: Database, running: tuple[Lease, Lease], settings: Settings
) -> None:
    first, second = running
    progress = [New(EventKind.PROGRESS, first.key)]
    run_concurrently(
        database,
        lambda session: leases.tell(session, first, settings.lease, {}, progress),
        lambda session: finishing.succeed(session, second, DONE, settings),
    )

    _, kinds = job_and_event_kinds(database, first.job_id)
    assert kinds[-2:] == ["progress", "run_succeeded"]


def test_a_cancel_concurrent_with_a_success_stops_the_other_runs(
    database: Database, running: tuple[Lease, Lease], settings: Settings
) -> None:
    first, second = running
    run_concurrently(
        database,
        lambda session: finishing.succeed(session, first, DONE, settings),
        lambda session: commands.cancel(session, jobs.get(session, first.job_id)),
    )

    with database.transaction() as session:
        done = runs.get(session, first.job_id, first.key)
        assert (done.state, done.cancel_requested) == (RunState.SUCCEEDED, False)
        assert leases.renew(session, second, settings.lease), (
            "the heartbeat returns the order to stop"
        )
        finishing.cancelled(session, second, settings)
    job, kinds = job_and_event_kinds(database, first.job_id)
    assert (job.state, job.runs_finished) == (JobState.CANCELLED, 3)
    assert kinds[-3:] == ["job_cancel_requested", "run_cancelled", "job_finished"]


def test_a_cancel_concurrent_with_a_claim_asks_the_run_to_stop(
    submit: Submit, database: Database, settings: Settings
) -> None:
    job_id = submit()
    run_concurrently(
        database,
        lambda session: claims.claim(session, "host/1/1", ["cpu"], settings),
        lambda session: commands.cancel(session, jobs.get(session, job_id)),
    )

    with database.transaction() as session:
        (run,) = runs.of_job(session, job_id)
    assert (run.state, run.cancel_requested) == (RunState.RUNNING, True)


def test_a_run_cancelled_while_its_worker_is_lost_is_not_queued_again(
    database: Database, running: tuple[Lease, Lease], settings: Settings
) -> None:
    lost, _ = running
    with database.transaction() as cancelling:
        commands.cancel(cancelling, jobs.get(cancelling, lost.job_id))
        with pytest.raises(LeaseLost), database.transaction() as session:
            finishing.lose(session, lost, settings, "silence", skip_locked=True)
    with database.transaction() as session:
        assert finishing.lose(session, lost, settings, "silence") is RunState.CANCELLED


@pytest.mark.parametrize("times", range(3))
def test_retries_and_deletions_do_not_deadlock(
    times: int, submit: Submit, database: Database
) -> None:
    """The first command wins. Postgres would end a deadlock with an error after a second."""
    many = {"kind": "robust", "trials": 10, "experiments": [{"name": "a"}, {"name": "b"}]}
    job_ids = [submit(many) for _ in range(4)]
    with database.transaction() as session:
        for job_id in job_ids:
            commands.cancel(session, jobs.get(session, job_id))

    def run(command: Callable[[Session], object]) -> object:
        try:
            with database.transaction() as session:
                return command(session)
        except (NotThere, NotInThatState) as refused:
            return refused

    many_commands = [of(job_id) for job_id in job_ids for of in (retry, delete)] + [expire] * 4
    with ThreadPoolExecutor(len(many_commands)) as threads:
        list(threads.map(run, many_commands))


def test_the_second_of_two_concurrent_deletions_finds_no_data_set(database: Database) -> None:
    with database.transaction() as session:
        saving.enter(session, [BLOB])
        name = datasets.add(session, "ann", "first", BLOB, {}, 0).id

    def delete(session: Session) -> None:
        datasets.delete(session, datasets.get(session, name))

    with pytest.raises(NotThere, match=name):
        run_concurrently(database, delete, delete)


def test_concurrent_uploads_do_not_exceed_the_byte_quota(database: Database) -> None:
    with database.transaction() as session:
        saving.enter(session, [BLOB])
        owners.ensure(session, "ann")
        owners.set_quota(session, "ann", Quota(max_stored_bytes=1_000))

    together = threading.Barrier(8)

    def upload(_: int) -> bool:
        with suppress(QuotaExceeded), database.transaction() as session:
            session.scalar(text("SELECT 1"))
            together.wait(100)
            datasets.add(session, "ann", "one", BLOB, {}, 0)
            return True
        return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(upload, range(8))) == 1


def test_an_idempotency_key_of_a_job_that_is_being_deleted_creates_a_new_job(
    submit: Submit, database: Database
) -> None:
    again = Idempotency("key", "a" * 64)
    job_id = submit(idempotency=again)
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, job_id))

    assert run_concurrently(database, delete(job_id), lambda _: submit(idempotency=again)) != job_id


def test_a_retried_job_counts_towards_the_quota_of_unfinished_jobs(
    submit: Submit, database: Database, cancelled: str
) -> None:
    with database.transaction() as session:
        owners.set_quota(session, "ann", Quota(max_queued=1))
    submit()

    with pytest.raises(QuotaExceeded, match="1 unfinished"), database.transaction() as session:
        retry(cancelled)(session)
    with database.transaction() as session:
        assert jobs.get(session, cancelled).state is JobState.CANCELLED
