"""Many pool names of clients slow down neither sweeps nor measurements."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from statistics import median
from urllib.parse import urlsplit

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import text

from service.settings import Settings
from service.store.states import RunState
from service.store.workers import measurements, workers
from service.store.workers.workers import WorkerFacts
from tests.pools import queue_in_many_pools
from tests.service.api.conftest import ADMIN, serving
from tests.service.store.conftest import statements
from tests.worker.rig import eventually
from tests.worker.steps import claim, runs, submit
from worker.beat.sweeper import Sweeper
from worker.child.child import Child

MANY = 15_000


@pytest.fixture
def sweeper(database_url: str, broker_url: str, object_store_url: str) -> Iterator[Sweeper]:
    sweeper = Sweeper(
        Settings(
            database_url=database_url, broker_url=broker_url, object_store_url=object_store_url
        )
    )
    yield sweeper
    if sweeper._waking.is_alive():
        sweeper._waking.join()
    sweeper._database.close()
    sweeper._hints.close()


def serve(child: Child, pool: str) -> None:
    facts = WorkerFacts(id=f"host/1/{pool}", node="host/1", host="host", pid=1, pools=[pool],
                        device="cpu")  # fmt: skip
    with child.database.transaction() as session:
        workers.register(session, facts)


def seconds_of(sweeper: Sweeper) -> float:
    began = time.perf_counter()
    sweeper.sweep()
    return time.perf_counter() - began


def test_a_sweep_sends_the_same_statements_and_hints_for_hundreds_of_pools(
    sweeper: Sweeper, child: Child, broker_url: str
) -> None:
    serve(child, "cpu")
    submit(child)
    with statements(sweeper._database) as few:
        sweeper.sweep()
    queue_in_many_pools(child.database, 300)
    with statements(sweeper._database) as many:
        sweeper.sweep()
    assert len(many) == len(few)
    with redis.Redis.from_url(broker_url) as broker:
        eventually(lambda: broker.exists("lth.cpu"))
        sweeper._waking.join()
        assert list(broker.scan_iter("*lth*")) == [b"lth.cpu"]
        assert broker.ttl("lth.cpu") > 0


def test_metrics_send_the_same_statements_for_hundreds_of_pools(child: Child) -> None:
    def asked() -> int:
        with statements(child.database) as seen, child.database.transaction() as session:
            measurements.measure(session)
        return len(seen)

    submit(child)
    few = asked()
    queue_in_many_pools(child.database, 300)
    with child.database.transaction() as session:
        session.execute(text("UPDATE runs SET state = 'failed', finished_at = now()"))
    assert asked() == few


def test_a_job_of_an_unserved_pool_starts_when_a_worker_joins(
    sweeper: Sweeper, child: Child, broker_url: str
) -> None:
    submit(child)
    queue_in_many_pools(child.database, 3)
    with redis.Redis.from_url(broker_url) as broker:
        sweeper.sweep()
        assert not broker.exists("lth.old-2")
        serve(child, "old-2")
        sweeper.sweep()
        eventually(lambda: broker.exists("lth.old-2"))


def test_a_hanging_broker_does_not_delay_the_recovery_of_lost_runs(
    sweeper: Sweeper, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(child, "cpu")
    submit(child)
    submit(child, seed=2)
    hanging, woken = [True], []

    def hang(pool: str, count: int) -> None:
        while hanging:
            time.sleep(0.01)
        woken.append(pool)

    monkeypatch.setattr(sweeper._hints, "wake", hang)
    sweeper.sweep()
    lost = claim(child).lease
    with child.database.transaction() as session:
        session.execute(text("UPDATE runs SET lease_expires_at = now() - interval '1 second'"))
    sweeper.sweep()
    assert woken == []
    assert [run.state for run in runs(child, lost.job_id).values()] == [RunState.QUEUED]
    hanging.clear()
    eventually(lambda: woken == ["cpu"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_is_quick_after_fifteen_thousand_pools_were_named(
    sweeper: Sweeper, child: Child, broker_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(
        database_url=child.settings.database_url,
        broker_url=broker_url,
        object_store_url=child.settings.object_store_url,
        admin_key=SecretStr(ADMIN),
        rate_limit=None,
    )
    submit(child)

    def attempt(numbers: range) -> list[int]:
        connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
        statuses = []
        for number in numbers:
            document = {"kind": "model", "pool": f"pool-{number}"}
            headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
            connection.request("POST", "/v1/jobs", json.dumps(document), headers)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        return statuses

    with serving(settings) as address, ThreadPoolExecutor(8) as clients:
        began = time.perf_counter()
        parts = clients.map(attempt, [range(start, MANY, 8) for start in range(8)])
        statuses = [status for part in parts for status in part]
        took = time.perf_counter() - began
    assert statuses == [422] * MANY
    serve(child, "cpu")
    seconds = [seconds_of(sweeper) for _ in range(5)]
    with redis.Redis.from_url(broker_url) as broker:
        sweeper._waking.join()
        assert broker.dbsize() < 10
    with capsys.disabled():
        print(f"\n{MANY} submissions in {took:.0f} s; sweeps took", told(seconds))
    assert median(seconds) < 0.2


@pytest.mark.slow
def test_a_sweep_is_quick_with_fifteen_thousand_old_jobs_in_as_many_pools(
    sweeper: Sweeper, child: Child, broker_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(child)
    queue_in_many_pools(child.database, MANY)
    serve(child, "cpu")
    seconds = [seconds_of(sweeper) for _ in range(5)]
    with redis.Redis.from_url(broker_url) as broker:
        sweeper._waking.join()
        assert broker.dbsize() < 10
    with capsys.disabled():
        print(f"\n{MANY} queued jobs in as many pools; sweeps took", told(seconds))
    assert median(seconds) < 0.2


def told(seconds: list[float]) -> str:
    return ", ".join(f"{1000 * one:.0f} ms" for one in seconds)
