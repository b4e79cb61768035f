"""The processes of a worker: the modules that they load, and their cost."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from service.store.states import JobState
from service.store.tables import WorkerState
from service.store.workers import workers
from tests import ROOT
from tests.worker.rig import Rig, eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

LIGHT = """
import sys
import worker.beat.beat, worker.beat.sweeper
import worker.process.app, worker.process.parent, worker.process.tasks
found = {"tensorflow", "keras", "matplotlib", "sklearn"} & set(sys.modules)
assert not found, found
"""


def test_parent_and_beat_import_neither_tensorflow_nor_matplotlib() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", LIGHT], cwd=ROOT, check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_children_are_warm_with_tensorflow_on_one_thread_and_their_parent_is_not(rig: Rig) -> None:
    parent = rig.start(execution="lth.study.execution", worker_processes=1)

    def child() -> int | None:
        with rig.database.transaction() as session:
            return next((one.pid for one in workers.all_of_them(session)), None)

    pid = eventually(child, 300)
    assert pid is not None
    assert "libtensorflow" in Path(f"/proc/{pid}/maps").read_text()
    assert "libtensorflow" not in Path(f"/proc/{parent.pid}/maps").read_text()
    assert psutil.Process(pid).environ()["OMP_NUM_THREADS"] == "1"
    rig.stop(parent)


def test_warm_worker_is_woken_by_a_hint_alone(rig: Rig) -> None:
    """No sweeper runs here, because it would also send hints."""
    worker = rig.start(worker_processes=1)

    def busy() -> bool:
        with rig.database.transaction() as session:
            return WorkerState.BUSY in {one.state for one in workers.all_of_them(session)}

    for _ in range(5):
        assert rig.wait(rig.submit()).state is JobState.SUCCEEDED
        eventually(lambda: not busy())
    rig.stop(worker)
