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
from worker.process.memory_kills import MemoryKills
from worker.process.parent import ChildWatcher


class Dying:
    """Two processes; one dies after the first check."""

    def __init__(self, exitcode: int = 0) -> None:
        self.exitcode = exitcode
        self.living = [[7, 8], [8]]

    def __iter__(self) -> Iterator[SimpleNamespace]:
        living = self.living.pop(0) if len(self.living) > 1 else self.living[0]
        return iter([SimpleNamespace(pid=pid, exitcode=self.exitcode) for pid in living])


@pytest.mark.parametrize(
    ("exitcode", "kills", "memory"),
    [(0, 0, None), (-9, 0, None), (0, 1, None), (-11, 1, None), (-9, 1, 8 << 30), (-9, 2, 8 << 30)],
)
def test_the_run_of_a_dead_child_is_requeued_when_the_database_is_available(
    exitcode: int,
    kills: int,
    memory: int | None,
    child: Child,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("LTH_WORKER_NODE", "host/1")
    for name in ("database_url", "broker_url"):
        monkeypatch.setenv(f"LTH_{name.upper()}", getattr(child.settings, name))
    monkeypatch.setattr(parent, "_RETRY_SECONDS", 0.01)
    child.id, child.memory = node.worker_id(7), 8 << 30
    report_state(child, WorkerState.IDLE)
    job_id = submit(child)
    claim(child)

    errors = [KeyError("defect"), OperationalError("away", None, OSError())]
    monkeypatch.setattr(finishing, "held_by", failing_first(errors, finishing.held_by))
    pool = SimpleNamespace(_pool=SimpleNamespace(_pool=Dying(exitcode)))
    watcher = ChildWatcher(SimpleNamespace(app=SimpleNamespace(conf={"lth_pools": ["cpu"]})))
    woken: list[str] = []
    monkeypatch.setattr(watcher._hints, "wake", woken.append)
    counts = iter([5])
    monkeypatch.setattr(parent, "MemoryKills", lambda: MemoryKills(lambda: next(counts, 5 + kills)))
    watch = threading.Thread(target=watcher._watch, args=(pool,))
    watcher._thread = watch
    watch.start()
    try:
        eventually(lambda: runs(child, job_id)["trial-1/ticket"].state is RunState.QUEUED)
        eventually(lambda: woken == ["cpu"])
    finally:
        watcher._finish()

    assert registered(child) is None
    assert runs(child, job_id)["trial-1/ticket"].killed_with_memory == memory
    assert caplog.text.count("could not be queued again yet") == 2
    assert caplog.text.count("Traceback") == 1, "of the defect; that Postgres is away is one line"
