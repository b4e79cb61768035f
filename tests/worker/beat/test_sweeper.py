"""The sweeper returns lost runs to the queue, and its other work does not delay it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from service.settings import Settings
from service.store.database import Database
from service.store.runs import finishing
from service.store.tables import WorkerState
from tests.worker.rig import eventually
from tests.worker.steps import claim, registered, runs, submit
from worker.beat.sweeper import Sweeper, release
from worker.child.child import Child, report_state

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def sweeper(database_url: str, broker_url: str, object_store_url: str) -> Iterator[Sweeper]:
    settings = Settings(
        database_url=database_url, broker_url=broker_url, object_store_url=object_store_url
    )
    sweeper = Sweeper(settings)
    yield sweeper
    for thread in (sweeper._tidying, sweeper._waking):
        if thread.is_alive():
            thread.join()
    sweeper._database.close()
    sweeper._housekeeping.close()
    sweeper._hints.close()


def count(database: Database, query: str) -> int:
    with database.transaction() as session:
        return session.scalar(text(query)) or 0


def test_sweeps_continue_during_housekeeping(sweeper: Sweeper, database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("INSERT INTO blobs (digest, size) VALUES ('b', 1)"))
        old = "INSERT INTO trunks (key, digest, used_at) VALUES ('t', 'b', '2020-01-01')"
        session.execute(text(old))

    with database.transaction() as busy:
        busy.execute(text("LOCK TABLE trunks"))
        sweeper.tidy()
        eventually(lambda: count(database, _WAITING) == 1)
        sweeper.tidy()
        sweeper.sweep()
        assert count(database, _WAITING) == 1, "one at a time"

    eventually(lambda: count(database, "SELECT count(*) FROM trunks") == 0)


def test_a_worker_without_heartbeat_is_marked_as_lost_and_logged(
    sweeper: Sweeper, child: Child, caplog: pytest.LogCaptureFixture
) -> None:
    report_state(child, WorkerState.IDLE)
    sweeper.sweep()
    there = registered(child)
    assert there is not None
    assert there.state is WorkerState.IDLE

    with child.database.transaction() as session:
        session.execute(text("UPDATE workers SET seen_at = now() - interval '31 seconds'"))
    sweeper.sweep()
    there = registered(child)
    assert there is not None
    assert there.state is WorkerState.LOST
    assert f"the worker {child.id} is lost: it sent no heartbeat" in caplog.text


def test_a_run_released_by_another_sweeper_does_not_block_others(child: Child) -> None:
    submit(child)
    submit(child, seed=2)
    taken, silent = claim(child), claim(child)
    with child.database.transaction() as session:
        finishing.give_back(session, taken.lease, child.settings, "its worker is stopping")

    held = [taken.lease, silent.lease]
    assert release(child.database, child.settings, held, "its worker sent no heartbeat") == 1
    losses = [run.losses for job in held for run in runs(child, job.job_id).values()]
    assert losses == [0, 1]
