"""A worker that is told to stop: it gives its run back and leaves nothing behind."""

import signal
import time

import pytest

from service.store import workers
from service.store.states import JobState, RunState
from tests.worker.rig import Rig

pytestmark = pytest.mark.timeout(600)


def test_worker_told_to_stop_gives_its_run_back_with_a_checkpoint(rig: Rig) -> None:
    worker = rig.start()
    job_id = rig.submit({"labels": {"levels": "6", "seconds": "0.6"}})
    rig.wait_running(job_id, level=1)

    began = time.monotonic()
    code = rig.stop(worker, signal.SIGTERM)

    assert (code, time.monotonic() - began < 15) == (0, True)
    [run] = rig.runs(job_id)
    assert (run.state, run.losses) == (RunState.QUEUED, 0)
    assert run.checkpoint_digest is not None
    with rig.database.transaction() as session:
        assert workers.all_of_them(session) == [], "those who have ended are not listed"

    rig.start()
    assert rig.wait(job_id, 120).state is JobState.SUCCEEDED
    [run] = rig.runs(job_id)
    assert run.log_digest is not None
    assert "starting at level 0" not in rig.blobs.get(run.log_digest).decode()
