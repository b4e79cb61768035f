"""A broker that hangs: it keeps connections open and never answers."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from pydantic import SecretStr

from service.settings import Settings
from service.store.states import JobState, RunState
from service.store.tables import WorkerState
from service.store.workers import workers
from tests.parts import Parts
from tests.service.api.conftest import ADMIN, client, serving
from tests.worker.rig import Rig, eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@contextmanager
def hanging(broker_url: str) -> Iterator[None]:
    """The broker is stopped (SIGSTOP) in this block."""
    with redis.Redis.from_url(broker_url) as broker:
        pid = broker.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def idle(rig: Rig) -> bool:
    with rig.database.transaction() as session:
        return WorkerState.IDLE in {worker.state for worker in workers.all_of_them(session)}


def test_an_idle_worker_finds_work_without_the_broker(rig: Rig, own_parts: Parts) -> None:
    with own_parts.valkey() as broker:
        worker = rig.start(broker_url=broker.url, poll_seconds=1)
        eventually(lambda: idle(rig))
        with hanging(broker.url):
            for _ in range(3):
                assert rig.wait(rig.submit()).state is JobState.SUCCEEDED
        rig.stop(worker)


def test_a_run_claimed_without_a_hint_drains_like_others(rig: Rig, own_parts: Parts) -> None:
    with own_parts.valkey() as broker:
        worker = rig.start(broker_url=broker.url, poll_seconds=1)
        eventually(lambda: idle(rig))
        with hanging(broker.url):
            job_id = rig.submit({"labels": {"hold": "drained", "levels": "3"}})
            rig.wait_held(job_id)
        assert rig.stop(worker, signal.SIGTERM) == 0
        [run] = rig.runs(job_id)
        assert (run.state, run.losses) == (RunState.QUEUED, 0)
        assert run.checkpoint_digest is not None
        rig.release("drained")
        worker = rig.start(broker_url=broker.url, poll_seconds=1)
        assert rig.wait(job_id).state is JobState.SUCCEEDED
        rig.stop(worker)


def test_requests_are_answered_while_the_broker_hangs(rig: Rig, own_parts: Parts) -> None:
    with own_parts.valkey() as broker:
        settings = Settings(
            **{
                **rig.settings.model_dump(exclude_unset=True),
                "broker_url": broker.url,
                "admin_key": SecretStr(ADMIN),
            }
        )
        with serving(settings) as address, client(address, ADMIN) as api, hanging(broker.url):
            started = time.monotonic()
            for _ in range(3):
                answer = api.post("/v1/jobs", json={"kind": "model"})
                assert answer.status_code == 202
                assert api.post(f"/v1/jobs/{answer.json()['id']}/cancel").status_code == 202
            assert time.monotonic() - started < 30
