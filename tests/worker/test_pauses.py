"""A process that stops inside a transaction holds its locks only for seconds, and loses nothing."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from service.store.database import API, WORKER
from service.store.jobs import commands, jobs
from service.store.states import JobState
from tests.service.api.conftest import ADMIN, client, serving
from tests.worker import pauses
from tests.worker.relay import relayed
from tests.worker.rig import STAND_IN, Rig, eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

LONGEST_WAIT = 10.0
"""Seconds that a healthy process may wait for a lock of another one."""

_WAITS = text(
    """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)
    FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
)


@pytest.fixture(scope="module")
def pausable(rig: Rig) -> Iterator[Rig]:
    """The rig with a worker whose children can be paused, and the sweeper."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LTH_TEST_EXECUTION", STAND_IN)
        worker = rig.start(execution="tests.worker.pausing")
    beat = rig.start("beat")
    yield rig
    for process in (worker, beat):
        rig.stop(process)


@pytest.fixture
def longest_wait(rig: Rig) -> Iterator[list[float]]:
    """How long statements waited for a lock while the test ran; the largest value is the last."""
    waits, ended = [0.0], threading.Event()

    def look() -> None:
        while not ended.wait(0.1):
            with rig.database.statement() as connection:
                waits.append(max(waits[-1], float(connection.scalar(_WAITS) or 0)))

    looking = threading.Thread(target=look)
    looking.start()
    yield waits
    ended.set()
    looking.join()


@pytest.mark.parametrize("point", pauses.POINTS)
def test_a_child_paused_inside_a_transaction_blocks_no_other(
    pausable: Rig, longest_wait: list[float], point: str
) -> None:
    pauses.ask(pausable.folder, point)
    first = pausable.submit()
    pid = pauses.wait(pausable.folder, point)
    others = [pausable.submit() for _ in range(3)]
    ended = [pausable.wait(job_id, 60) for job_id in (first, *others)]
    assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert longest_wait[-1] < LONGEST_WAIT
    pauses.resume(pid)
    again = pausable.submit()
    assert pausable.wait(again, 60).state is JobState.SUCCEEDED
    for job_id in (first, *others, again):
        assert pausable.kinds(job_id).count("run_succeeded") == 1
    [run] = pausable.runs(first)
    assert run.attempt == (1 if point == "claim" else 2), "a claim that paused was undone"


def test_requests_fail_within_seconds_while_a_row_is_locked(pausable: Rig) -> None:
    settings = pausable.settings.model_copy(update={"admin_key": SecretStr(ADMIN)})
    with serving(settings) as address, ThreadPoolExecutor(12) as threads:
        job_id = pausable.submit({"labels": {"hold": "locked", "levels": "2"}})
        pauses.ask(pausable.folder, "progress")
        pid = pauses.wait(pausable.folder, "progress")
        started = time.monotonic()
        cancels = [threads.submit(post, address, f"/v1/jobs/{job_id}/cancel") for _ in range(12)]
        with client(address, ADMIN) as api:
            assert api.get("/v1/jobs").status_code == 200
            assert api.get("/readyz").status_code == 200
        answers = [cancel.result() for cancel in cancels]
        assert time.monotonic() - started < 3 * API.lock + WORKER.idle
        for answer in answers:
            assert answer.status_code in (202, 503)
            if answer.status_code == 503:
                assert answer.headers["Retry-After"] == "1"
                assert "another process holds" in answer.json()["detail"]
        pauses.resume(pid)
        with client(address, ADMIN) as api:
            eventually(lambda: api.post(f"/v1/jobs/{job_id}/cancel").status_code in (202, 409))
        pausable.release("locked")
        assert pausable.wait(job_id).state is JobState.CANCELLED


def post(address: str, path: str) -> httpx.Response:
    with client(address, ADMIN) as api:
        return api.post(path)


def test_a_host_lost_during_a_claim_blocks_no_other(
    pausable: Rig, longest_wait: list[float], tmp_path: Path
) -> None:
    with relayed(pausable.settings.database_url) as (address, relay):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LTH_TEST_EXECUTION", STAND_IN)
            far = pausable.start(
                execution="tests.worker.pausing",
                database_url=address,
                worker_pools="far",
                test_folder=str(tmp_path),
            )
        pauses.ask(tmp_path, "claim")
        lost = pausable.submit(pool="far")
        pauses.wait(tmp_path, "claim")
        relay.cut()
        pausable.stop(far)
        near = pausable.submit()
        assert pausable.wait(near, 60).state is JobState.SUCCEEDED
        assert longest_wait[-1] < LONGEST_WAIT
        with pausable.database.transaction() as session:
            commands.cancel(session, jobs.get(session, lost))
