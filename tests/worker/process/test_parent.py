"""The parent watches its children."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from service.store.runs import finishing
from service.store.states import RunState
from service.store.tables import WorkerState
from tests.worker.rig import eventually
from tests.worker.steps import claim, failing_first, registered, runs, submit
from worker.child import node
from worker.child.child import Child, report_state
from worker.process import parent
from worker.process.parent import ChildWatcher


class Dying:
    """Two processes; one dies after the first check."""

    def __init__(self) -> None:
        self.living = [[7, 8], [8]]

    def __iter__(self) -> Iterator[SimpleNamespace]:
        living = self.living.pop(0) if len(self.living) > 1 else self.living[0]
        return iter([SimpleNamespace(pid=pid) for pid in living])


def test_the_run_of_a_dead_child_is_requeued_when_the_database_is_available(
    child: Child, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LTH_WORKER_NODE", "host/1")
    for name in ("database_url", "broker_url"):
        monkeypatch.setenv(f"LTH_{name.upper()}", getattr(child.settings, name))
    monkeypatch.setattr(parent, "_RETRY_SECONDS", 0.01)
    child.id = node.worker_id(7)
    report_state(child, WorkerState.IDLE)
    job_id = submit(child)
    claim(child)

    errors = [KeyError("defect"), OperationalError("away", None, OSError())]
    monkeypatch.setattr(finishing, "held_by", failing_first(errors, finishing.held_by))
    pool = SimpleNamespace(_pool=SimpleNamespace(_pool=Dying()))
    watcher = ChildWatcher(SimpleNamespace(app=SimpleNamespace(conf={"lth_pools": ["cpu"]})))
    woken: list[str] = []
    monkeypatch.setattr(watcher._hints, "wake", woken.append)
    watch = threading.Thread(target=watcher._watch, args=(pool,))
    watcher._thread = watch
    watch.start()
    try:
        eventually(lambda: runs(child, job_id)["trial-1/ticket"].state is RunState.QUEUED)
        eventually(lambda: woken == ["cpu"])
    finally:
        watcher._finish()

    assert registered(child) is None
    assert caplog.text.count("could not be queued again yet") == 2
    assert caplog.text.count("Traceback") == 1, "of the defect; that Postgres is away is one line"
