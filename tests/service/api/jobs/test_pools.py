"""A job may name only a pool that exists, so that clients cannot fill the service with names."""

from uuid import uuid4

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import delete, text

from service.settings import Settings
from service.store.database import Database
from service.store.tables import Job, ServedPool, Worker
from service.store.workers import workers
from service.store.workers.workers import WorkerFacts
from tests.pools import queue_in_many_pools
from tests.service.api.conftest import ADMIN, client, serving
from tests.service.api.test_submitting import SPEC, pointers, problem

BIG = {**SPEC, "pool": "big"}


def register_worker(database: Database, *pools: str) -> None:
    """Register a worker of these pools."""
    facts = WorkerFacts(
        id=uuid4().hex, node="host/1", host="host", pid=1, pools=pools, device="cpu"
    )
    with database.transaction() as session:
        workers.register(session, facts)


def test_an_unknown_pool_is_refused_with_the_known_pools_and_a_remedy(api, database, broker_url):
    answer = api.post("/v1/jobs", json={**SPEC, "pool": "gqu"})
    document = problem(answer, 422, "invalid")
    (wrong,) = document["errors"]
    assert wrong == {
        "pointer": "/pool",
        "detail": "no pool 'gqu' is configured, and no worker has served it; start a worker with "
        "LTH_WORKER_POOLS=gqu, or add the name to LTH_POOLS of the API",
        "value": "gqu",
        "expected": "'gpu', perhaps? Known: 'cpu', 'gpu'",
    }
    with database.transaction() as session:
        assert session.query(Job).count() == 0
    with redis.Redis.from_url(broker_url) as broker:
        assert not [key for key in broker.scan_iter() if b"gqu" in key]


def test_an_unknown_pool_is_reported_together_with_other_errors(api):
    answer = api.post("/v1/jobs", json={**BIG, "seed": -1, "priority": 101})
    assert pointers(problem(answer, 422, "invalid")) == {"/seed", "/priority", "/pool"}


def test_validation_also_refuses_an_unknown_pool(api):
    answer = api.post("/v1/jobs", params={"validate_only": True}, json=BIG)
    assert pointers(problem(answer, 422, "invalid")) == {"/pool"}


def test_a_served_pool_stays_known_without_its_worker(api, database):
    problem(api.post("/v1/jobs", json=BIG), 422, "invalid")
    register_worker(database, "cpu", "big")
    assert api.post("/v1/jobs", json=BIG).json()["pool"] == "big"
    with database.transaction() as session:
        session.execute(delete(Worker))
    assert api.post("/v1/jobs", json=BIG).status_code == 202


@pytest.mark.parametrize(
    "chosen",
    [{"pools": "cpu, big"}, {"default_pool": "big", "pools": ""}, {"worker_pools": "big"}],
)
def test_configured_pools_are_known_before_a_worker_serves_them(
    database_url, broker_url, object_store_url, chosen
):
    settings = Settings(
        database_url=database_url,
        broker_url=broker_url,
        object_store_url=object_store_url,
        admin_key=SecretStr(ADMIN),
        **chosen,
    )
    with serving(settings) as address, client(address, ADMIN) as api:
        assert api.post("/v1/jobs", json=BIG).status_code == 202
        problem(api.post("/v1/jobs", json={**SPEC, "pool": "bigger"}), 422, "invalid")


def test_a_repeated_request_returns_its_job_after_the_pool_was_forgotten(settings, database):
    key = {"Idempotency-Key": "the-same"}
    register_worker(database, "big")
    with serving(settings) as address, client(address, ADMIN) as api:
        first = api.post("/v1/jobs", json=BIG, headers=key).json()["id"]
    with database.transaction() as session:
        session.execute(delete(ServedPool))
    with serving(settings) as address, client(address, ADMIN) as api:
        again = api.post("/v1/jobs", json=BIG, headers=key)
        assert (again.status_code, again.json()["id"]) == (202, first)
        assert again.headers["idempotent-replayed"] == "true"
        other = api.post("/v1/jobs", json={**BIG, "seed": 4}, headers=key)
        assert pointers(problem(other, 422, "invalid")) == {"/pool"}
        problem(api.post("/v1/jobs", json=BIG, headers={"Idempotency-Key": "new"}), 422, "invalid")


def test_a_job_of_a_forgotten_pool_can_be_retried_without_a_hint(api, database, broker_url):
    job = api.post("/v1/jobs", json=SPEC).json()["id"]
    with database.transaction() as session:
        session.execute(text("UPDATE jobs SET pool = 'old'"))
        session.execute(text("UPDATE runs SET pool = 'old'"))
    api.post(f"/v1/jobs/{job}/cancel")
    retried = api.post(f"/v1/jobs/{job}/retry")
    assert (retried.status_code, retried.json()["state"]) == (202, "queued")
    with redis.Redis.from_url(broker_url) as broker:
        assert not broker.exists("lth.old")


def test_metrics_name_the_longest_queues_and_sum_up_the_others(api, database):
    api.post("/v1/jobs", json=SPEC)
    queue_in_many_pools(database, 2000)
    with database.transaction() as session:
        session.execute(
            text("UPDATE runs SET pool = 'deep' WHERE pool IN ('old-1', 'old-2', 'old-3')")
        )
    answer = api.get("/metrics").text
    lines = [line for line in answer.splitlines() if line.startswith("lth_queue_depth{")]
    assert len(lines) == 101
    assert 'lth_queue_depth{pool="deep"} 3.0' in lines
    assert 'lth_queue_depth{pool="(other)"} 1899.0' in lines
    assert 'lth_runs{state="queued"} 2001.0' in answer
