"""The heartbeat reports, receives orders, and ends only with its run."""

import os
import signal
import threading
from datetime import datetime

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from service.store.jobs import commands, jobs
from service.store.runs import finishing
from service.store.states import Reason, RunState
from service.store.tables import WorkerState
from tests.worker.steps import claim, failing_first, observer_of, registered, runs, submit
from worker.child.child import Child
from worker.run import heartbeat as module
from worker.run.heartbeat import heartbeat
from worker.run.observer import Order, RunObserver


@pytest.fixture
def observer(child: Child) -> RunObserver:
    submit(child)
    return observer_of(child, claim(child))


def lease_ends(child: Child, observer: RunObserver) -> datetime:
    ends = runs(child, observer.lease.job_id)[observer.lease.key].lease_expires_at
    assert ends is not None
    return ends


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("defect"), "KeyError: 'defect'"),
        (OperationalError("away", None, OSError()), "'trial-1/ticket' could not be renewed"),
    ],
)
def test_a_failed_heartbeat_is_logged_and_the_next_one_renews_the_lease(
    child: Child,
    observer: RunObserver,
    error: Exception,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    renewed = threading.Event()
    renew = module._renew

    def renew_and_tell(child: Child, observer: RunObserver) -> None:
        renew(child, observer)
        renewed.set()

    monkeypatch.setattr(module, "_renew", failing_first([error], renew_and_tell))
    before = lease_ends(child, observer)
    with heartbeat(child, observer):
        assert renewed.wait(60)
    assert lease_ends(child, observer) > before
    assert said in caplog.text


def test_log_lines_of_a_heartbeat_name_its_run(
    child: Child, observer: RunObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[dict[str, object]] = []
    beaten = threading.Event()

    def look(*_: object) -> None:
        bound.append(structlog.contextvars.get_contextvars())
        beaten.set()

    monkeypatch.setattr(module, "_renew", look)
    with structlog.contextvars.bound_contextvars(run="trial-1/ticket"), heartbeat(child, observer):
        assert beaten.wait(60)
    assert bound[0] == {"run": "trial-1/ticket"}


def test_the_budget_is_checked_when_it_is_about_to_be_spent(
    child: Child, observer: RunObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Semaphore(0)

    def look(*_: object) -> float:
        looked.release()
        return 0.01

    monkeypatch.setattr(module, "_check_budget", look)
    child.settings = child.settings.model_copy(update={"heartbeat_seconds": 600.0})
    with heartbeat(child, observer, job_lasts=0.01):
        assert all(looked.acquire(timeout=60) for _ in range(2))


def test_an_unregistered_worker_registers_itself(child: Child, observer: RunObserver) -> None:
    """As after an hour's silence, or a start without Postgres."""
    assert registered(child) is None
    module._renew(child, observer)
    there = registered(child)
    assert there is not None
    assert (there.state, there.run_id) == (WorkerState.BUSY, observer.lease.run_id)

    child.draining.set()
    module._renew(child, observer)
    there = registered(child)
    assert there is not None
    assert there.state is WorkerState.DRAINING


def test_a_run_without_progress_receives_cancels_and_lease_losses(
    child: Child, observer: RunObserver
) -> None:
    with child.database.transaction() as session:
        commands.cancel(session, jobs.get(session, observer.lease.job_id))
    module._renew(child, observer)
    assert observer.order is Order.CANCEL

    observer.order = None
    with child.database.transaction() as session:
        finishing.cancelled(session, observer.lease, child.settings)
    module._renew(child, observer)
    assert observer.order is Order.LEASE_LOST


def test_an_unresponsive_run_is_killed_even_if_the_database_is_unavailable(
    child: Child, observer: RunObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[tuple[int, int]] = []
    monkeypatch.setattr(module.os, "kill", lambda *told: ended.append(told))
    observer.give(Order.TIMEOUT)

    module._kill_unresponsive(child, observer)
    run = runs(child, observer.lease.job_id)[observer.lease.key]
    assert (run.state, run.failure_reason) == (RunState.FAILED, Reason.TIMEOUT)
    module._kill_unresponsive(child, observer)
    module._kill_stalled(child, observer)
    monkeypatch.setattr(child.database, "transaction", {}.popitem)
    for end in (module._kill_unresponsive, module._kill_stalled):
        with pytest.raises(KeyError):
            end(child, observer)

    assert ended == 5 * [(os.getpid(), signal.SIGKILL)]
