"""A child processes a hint, from the claim until it is idle again."""

from dataclasses import replace
from typing import Any

import pytest

from service.store.database import Database
from service.store.states import RunState
from service.store.tables import WorkerState
from service.store.workers import workers
from service.store.workers.workers import WorkerFacts
from tests.worker import stand_in
from tests.worker.steps import registered, runs, submit
from worker.child.child import Child, report_state
from worker.process.loop import work
from worker.run.attempt import attempt


def test_a_run_queued_while_the_child_reports_idle_is_executed(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API saw no idle worker, so it sent no hint."""
    submit(child)
    late: list[str] = []

    def says(child: Child, state: WorkerState, why: str | None = None) -> None:
        if not late:
            late.append(submit(child, seed=2))
        report_state(child, state, why)

    monkeypatch.setattr("worker.process.loop.report_state", says)
    assert work(child) == 2
    assert [run.state for run in runs(child, late[0]).values()] == [RunState.SUCCEEDED]


def test_a_busy_child_reports_it_cannot_end_and_wakes_another(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = WorkerFacts(id="host/1/3", node="host/1", host="host", pid=3, pools=["cpu"], device="")
    with child.database.transaction() as session:
        workers.register(session, idle)
    submit(child)
    submit(child, seed=2)
    seen: list[tuple[Any, ...]] = []
    woken: list[str] = []
    monkeypatch.setattr(child.hints, "wake", woken.append)

    def look(child: Child, claimed: Any) -> Any:
        there = registered(child)
        assert there is not None
        seen.append((there.state, there.run_id, child.busy.locked(), [*woken]))
        return attempt(child, claimed)

    monkeypatch.setattr("worker.process.loop.attempt", look)
    began = child.idle_since
    assert work(child) == 2
    assert [(state, busy, woken) for state, _, busy, woken in seen] == 2 * [("busy", True, ["cpu"])]
    assert seen[0][1] != seen[1][1]
    assert child.idle_since > began
    there = registered(child)
    assert (there and there.state, child.busy.locked()) == (WorkerState.IDLE, False)


def test_a_process_that_compiled_many_networks_claims_no_more_runs(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in, "_programs", 0)
    first, second = submit(child, labels={"programs": "40"}), submit(child, seed=2)

    assert work(child) == 1
    assert child.must_be_replaced.is_set()
    states = [run.state for job_id in (first, second) for run in runs(child, job_id).values()]
    assert states == [RunState.SUCCEEDED, RunState.QUEUED]


def test_a_draining_child_claims_nothing(child: Child) -> None:
    submit(child)
    child.draining.set()
    assert work(child) == 0


def test_a_hint_is_dropped_while_the_database_is_unavailable(
    child: Child, caplog: pytest.LogCaptureFixture
) -> None:
    away = Database("postgresql://lth@127.0.0.1:1/lth")
    assert work(replace(child, database=away)) == 0
    assert "while the database is unavailable" in caplog.text
    away.close()
