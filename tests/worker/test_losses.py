"""Workers that die, sleep, drain or are told twice: no run is lost, none is committed twice."""

import time

import psutil
import pytest
import redis
from sqlalchemy import select

from service.store import artifacts, commands, finishing, jobs
from service.store.blobs import Blob
from service.store.errors import LeaseLost
from service.store.finishing import Success
from service.store.leases import Lease
from service.store.states import JobState, RunState
from service.store.tables import StoredBlob
from tests.worker.rig import Rig, eventually, pid_of

pytestmark = pytest.mark.timeout(600)

SLOW = {"labels": {"levels": "4", "seconds": "0.6"}}


def test_killed_child_costs_no_more_than_a_level_and_the_run_commits_once(workers: Rig) -> None:
    undisturbed = workers.wait(workers.submit(SLOW), 120)
    job_id = workers.submit(SLOW)
    run = workers.wait_running(job_id, level=2)

    psutil.Process(pid_of(run)).kill()
    eventually(lambda: "run_requeued" in workers.kinds(job_id), seconds=10)
    job = workers.wait(job_id, 120)

    [run] = workers.runs(job_id)
    assert (job.state, run.attempt, run.losses) == (JobState.SUCCEEDED, 2, 1)
    assert workers.kinds(job_id).count("run_succeeded") == 1
    assert workers.files(job_id) == workers.files(undisturbed.id)
    assert run.log_digest is not None
    log = workers.blobs.get(run.log_digest).decode()
    assert "starting at level 0" not in log, "it went on from a checkpoint"


def test_paused_worker_cannot_write_once_its_run_was_given_away(workers: Rig) -> None:
    job_id = workers.submit(SLOW)
    first = workers.wait_running(job_id, level=1)
    paused = psutil.Process(pid_of(first))

    paused.suspend()
    job = workers.wait(job_id, 120)
    committed = workers.files(job_id)
    paused.resume()

    eventually(lambda: "abandoned" in workers.logs())
    (line,) = (line for line in workers.logs().splitlines() if "abandoned" in line)
    for bound in (f"job_id={job_id}", f"run={first.key}", f"attempt={first.attempt}"):
        assert bound in line
    [run] = workers.runs(job_id)
    assert (job.state, run.state, run.attempt) == (
        JobState.SUCCEEDED,
        RunState.SUCCEEDED,
        first.attempt + 1,
    )
    assert workers.kinds(job_id).count("run_succeeded") == 1
    assert workers.files(job_id) == committed
    stale = Lease(first.id, job_id, first.key, first.attempt)
    with pytest.raises(LeaseLost), workers.database.transaction() as session:
        finishing.succeed(session, stale, Success(None, ()), workers.settings)


def test_jobs_survive_a_broker_that_forgets_everything(workers: Rig) -> None:
    waiting = [workers.submit({"labels": {"seconds": "0.5"}}) for _ in range(6)]

    with redis.Redis.from_url(workers.settings.broker_url) as broker:
        broker.flushall()

    for job_id in waiting:
        assert workers.wait(job_id).state is JobState.SUCCEEDED


def test_hint_delivered_a_hundred_times_runs_a_job_once(workers: Rig) -> None:
    job_id = workers.submit({"labels": {"seconds": "0.3"}})
    for _ in range(100):
        workers.hints._app.send_task("lth.work", queue="lth.cpu", ignore_result=True)

    job = workers.wait(job_id)

    assert job.state is JobState.SUCCEEDED
    assert [run.attempt for run in workers.runs(job_id)] == [1]


def test_running_job_stops_soon_after_a_cancel_and_keeps_its_checkpoint(workers: Rig) -> None:
    job_id = workers.submit(SLOW)
    workers.wait_running(job_id, level=2)

    with workers.database.transaction() as session:
        commands.cancel(session, jobs.get(session, job_id))
    asked = time.monotonic()
    job = workers.wait(job_id)

    assert time.monotonic() - asked < 2
    assert job.state is JobState.CANCELLED
    [run] = workers.runs(job_id)
    assert run.checkpoint_digest is not None

    with workers.database.transaction() as session:
        commands.retry(session, jobs.get(session, job_id))
    workers.hints.wake("cpu")
    assert workers.wait(job_id).state is JobState.SUCCEEDED
    with workers.database.transaction() as session:
        assert len(artifacts.of_job(session, job_id)) == 1


def test_only_the_last_checkpoint_is_kept_and_none_after_success(workers: Rig) -> None:
    job_id = workers.submit({"seed": 4711, "labels": {"levels": "4", "seconds": "0.5"}})
    workers.wait(job_id)

    written = [Blob.of(str(level).encode()).digest for level in range(1, 5)]

    def none_is_kept() -> bool:
        with workers.database.transaction() as session:
            kept = select(StoredBlob.digest).where(StoredBlob.digest.in_(written))
            return session.scalars(kept).all() == []

    eventually(none_is_kept)  # The last one goes just after the job has ended.
