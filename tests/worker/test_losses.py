"""Workers die, pause or drain, and hints are duplicated: no run is lost or committed twice."""

import time

import psutil
import pytest
import redis
from sqlalchemy import select, text

from service.store.blobs.object_store import Blob
from service.store.errors import LeaseLost
from service.store.jobs import commands, jobs
from service.store.runs import artifacts, finishing
from service.store.runs.finishing import Success
from service.store.runs.leases import Lease
from service.store.states import JobState, RunState
from service.store.tables import StoredBlob
from tests.worker.rig import Rig, eventually, pid_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

_STUCK = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle in transaction'
    AND clock_timestamp() - state_change > interval '0.3 seconds'
"""


def held(name: str) -> dict[str, dict[str, str]]:
    """A spec whose run holds at its last level until it is released."""
    return {"labels": {"levels": "4", "hold": name}}


def pause(rig: Rig, process: psutil.Process) -> None:
    """Suspend a process, but not within a transaction, whose locks would be held meanwhile."""
    while True:
        process.suspend()
        time.sleep(0.5)
        with rig.database.transaction() as session:
            if not session.scalar(text(_STUCK)):
                return
        process.resume()
        time.sleep(0.05)


def test_a_killed_child_loses_at_most_one_level_and_the_run_commits_once(workers: Rig) -> None:
    undisturbed = workers.wait(workers.submit({"labels": {"levels": "4"}}))
    job_id = workers.submit(held("killed"))
    run = workers.wait_held(job_id)

    psutil.Process(pid_of(run)).kill()
    workers.release("killed")
    job = workers.wait(job_id)

    [run] = workers.runs(job_id)
    assert (job.state, run.attempt, run.losses) == (JobState.SUCCEEDED, 2, 1)
    kinds = workers.kinds(job_id)
    assert (kinds.count("run_requeued"), kinds.count("run_succeeded")) == (1, 1)
    assert workers.files(job_id) == workers.files(undisturbed.id)
    assert run.log_digest is not None
    log = workers.blobs.get(run.log_digest).decode()
    assert "starting at level 0" not in log, "it went on from a checkpoint"


def test_a_paused_worker_cannot_write_after_its_run_was_claimed_again(workers: Rig) -> None:
    job_id = workers.submit(held("paused"))
    first = workers.wait_held(job_id)
    paused = psutil.Process(pid_of(first))

    pause(workers, paused)
    workers.release("paused")
    job = workers.wait(job_id)
    committed = workers.files(job_id)
    paused.resume()

    def abandoned() -> list[str]:
        lines = (line for line in workers.logs().splitlines() if "abandoned" in line)
        return [line for line in lines if f"job_id={job_id}" in line]

    (line,) = eventually(abandoned)
    for bound in (f"run={first.key}", f"attempt={first.attempt}"):
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


def test_jobs_survive_a_flushed_broker(workers: Rig) -> None:
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
    job_id = workers.submit(held("cancelled"))
    workers.wait_held(job_id)

    with workers.database.transaction() as session:
        commands.cancel(session, jobs.get(session, job_id))

    assert workers.wait(job_id).state is JobState.CANCELLED
    [run] = workers.runs(job_id)
    assert run.checkpoint_digest is not None

    with workers.database.transaction() as session:
        commands.retry(session, jobs.get(session, job_id))
    workers.release("cancelled")
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
