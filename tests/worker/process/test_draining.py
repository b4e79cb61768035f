"""A worker that is stopped returns its run to the queue, and leaves nothing behind."""

import signal

import psutil
import pytest

from service.store.jobs import commands, jobs
from service.store.states import JobState, RunState
from service.store.workers import workers
from tests.worker.rig import Rig, eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def test_a_stalled_run_is_killed_and_queued_again(
    rig: Rig,
) -> None:
    worker = rig.start(stall_seconds=1, max_losses=1_000)
    job_id = rig.submit({"labels": {"hang": "yes"}, "seed": 2})

    eventually(lambda: rig.runs(job_id)[0].losses)
    lost = next(event for event in rig.events(job_id) if event.kind == "run_requeued")
    assert lost.data["why"] == "it made no progress for 1 s"

    with rig.database.transaction() as session:
        commands.cancel(session, jobs.get(session, job_id))
    assert rig.wait(job_id).state is JobState.CANCELLED
    assert rig.stop(worker, signal.SIGTERM) == 0


def test_a_stopping_worker_requeues_its_run_with_a_checkpoint(rig: Rig) -> None:
    worker = rig.start()
    job_id = rig.submit({"labels": {"levels": "6", "hold": "drained"}})
    rig.wait_held(job_id)

    for one in psutil.Process(worker.pid).children():
        one.send_signal(signal.SIGTERM)  # as who tells a whole group; a child waits for its parent
    assert rig.stop(worker, signal.SIGTERM) == 0
    [run] = rig.runs(job_id)
    assert (run.state, run.losses) == (RunState.QUEUED, 0)
    assert run.checkpoint_digest is not None
    with rig.database.transaction() as session:
        assert workers.all_of_them(session) == [], "those who have ended are not listed"

    rig.release("drained")
    rig.start()
    assert rig.wait(job_id).state is JobState.SUCCEEDED
    [run] = rig.runs(job_id)
    assert run.log_digest is not None
    assert "starting at level 0" not in rig.blobs.get(run.log_digest).decode()
