"""Served pools are remembered for a limited time and up to a limited number."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, text

from service.store.database import Database, make_engine
from service.store.migrate import migrate
from service.store.tables import Worker, WorkerState
from service.store.workers import pools, workers
from service.store.workers.workers import WorkerFacts
from tests.service.store.conftest import Submit
from tests.service.store.test_migrations import insert_job_of_first_release

AGE = timedelta(days=90)


def register(database: Database, name: str, *served: str) -> None:
    facts = WorkerFacts(id=name, node="host/1", host="host", pid=1, pools=served, device="cpu")
    with database.transaction() as session:
        workers.register(session, facts)


def served(database: Database) -> list[str]:
    with database.transaction() as session:
        return list(pools.served(session))


def age_all_pools_by_a_year(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE pools SET served_at = now() - interval '1 year'"))


def test_a_pool_that_no_worker_has_served_for_long_is_forgotten(database: Database) -> None:
    register(database, "w1", "cpu")
    register(database, "w2", "big", "cpu")
    age_all_pools_by_a_year(database)
    with database.transaction() as session:
        session.execute(delete(Worker).where(Worker.id == "w2"))
        assert pools.forget(session, AGE) == 1
    assert served(database) == ["cpu"]
    with database.transaction() as session:
        assert pools.forget(session, AGE) == 0


def test_only_the_most_recently_served_pools_are_remembered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "MOST_REMEMBERED", 2)
    for number in range(4):
        register(database, f"w{number}", f"pool-{number}")
    with database.transaction() as session:
        session.execute(delete(Worker).where(Worker.id.in_(["w0", "w2"])))
        session.execute(text("UPDATE pools SET served_at = now() - interval '1 day'"))
        assert pools.forget(session, AGE) == 2
    assert served(database) == ["pool-1", "pool-3"]


def test_hints_are_sent_to_pools_with_both_work_and_a_worker(
    database: Database, submit: Submit
) -> None:
    register(database, "w1", "cpu", "gpu")
    register(database, "w2", "cpu")
    register(database, "w3", "big", "cpu")
    for pool in ("cpu", "big", "nobody"):
        submit(pool=pool)
    with database.transaction() as session:
        workers.report(session, "w3", WorkerState.BUSY)
        assert pools.to_wake(session) == {"big": 1, "cpu": 3}
        workers.report(session, "w3", WorkerState.LOST)
        assert pools.to_wake(session) == {"cpu": 3}


def test_an_upgrade_remembers_the_pools_that_were_served_earlier(empty_database_url: str) -> None:
    migrate(empty_database_url, "0011")
    insert_job_of_first_release(empty_database_url)
    engine = make_engine(empty_database_url)
    run = """
        INSERT INTO runs (id, job_id, key, position, kind, trial, seed, owner, pool, rank,
            max_seconds, state, waiting_for, attempt, losses, cancel_requested, seconds, trunk,
            finished_at)
        SELECT gen_random_uuid(), job_id, :pool, 1, kind, 1, 7, owner, :pool, rank,
            60, :state, 0, 0, 0, false, 0, trunk, now() FROM runs LIMIT 1
    """
    worker = """
        INSERT INTO workers (id, node, host, pid, pools, device, state, detail)
        VALUES ('w', 'n', 'h', 1, '{here,far}', 'cpu', 'idle', '{}')
    """
    with engine.begin() as connection:
        for pool, state in (("done", "succeeded"), ("made-up", "cancelled"), ("xl", "succeeded")):
            connection.execute(text(run), {"pool": pool, "state": state})
        connection.execute(text(worker))
    engine.dispose()
    migrate(empty_database_url)
    database = Database(empty_database_url)
    assert served(database) == ["done", "far", "here", "xl"]
    database.close()
