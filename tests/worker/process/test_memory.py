"""The memory of a real child after a run."""

import subprocess
from io import BytesIO

import numpy as np
import psutil
import pytest

from service.store.blobs import datasets, saving
from service.store.states import JobState
from service.store.workers import workers
from tests.worker.rig import Rig, eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

SAMPLES, FEATURES = 40_000, 784
DECODED = 4 * SAMPLES * FEATURES
SHORT = {"training": {"duration": "20it"}}


def child_of(rig: Rig, worker: subprocess.Popen[bytes]) -> psutil.Process | None:
    """The only child of a worker, after it is ready."""
    with rig.database.transaction() as session:
        ready = {one.pid for one in workers.all_of_them(session)}
    children = psutil.Process(worker.pid).children()
    return next((child for child in children if child.pid in ready), None)


def upload(rig: Rig) -> dict[str, object]:
    """Store a small file that decodes to a large data set; returns its part of a spec."""
    x = np.zeros((SAMPLES, FEATURES), np.float32)
    file = BytesIO()
    np.savez_compressed(file, x=x, y=(np.arange(SAMPLES) % 10).astype(np.int32))
    assert file.tell() < DECODED / 100
    blob = saving.save_file(rig.database, rig.blobs, file)
    test = SAMPLES // 5
    facts = {"shape": [FEATURES], "classes": 10, "train": SAMPLES - test, "test": test}
    with rig.database.transaction() as session:
        stored = datasets.add(session, "local", "zeros", blob, facts, DECODED)
        return {"kind": "uploaded", "id": stored.id, "digest": stored.digest, "facts": facts}


def test_an_idle_child_releases_a_large_data_set(rig: Rig) -> None:
    """A file of 3 MB left 1.7 GB in an idle worker.

    The arrays and their tensors are released. On some machines, TensorFlow keeps one buffer of the
    size of the largest tensor.
    """
    worker = rig.start(execution="lth.study.execution", worker_processes=1)
    child = eventually(lambda: child_of(rig, worker), 300)
    assert child is not None
    assert rig.wait(rig.submit(SHORT)).state is JobState.SUCCEEDED
    before = child.memory_info().rss

    assert rig.wait(rig.submit({**SHORT, "dataset": upload(rig)})).state is JobState.SUCCEEDED
    eventually(lambda: child.memory_info().rss < before + 1.5 * DECODED, 60)
    assert rig.wait(rig.submit(SHORT)).state is JobState.SUCCEEDED
    assert child.is_running(), "the same process went on"
    rig.stop(worker)


def test_a_child_that_uses_too_much_memory_is_replaced(rig: Rig) -> None:
    worker = rig.start(execution="lth.study.execution", worker_processes=1, idle_memory_bytes=0)
    first = eventually(lambda: child_of(rig, worker), 300)
    assert first is not None
    assert rig.wait(rig.submit(SHORT)).state is JobState.SUCCEEDED
    eventually(lambda: not first.is_running(), 60)
    assert rig.wait(rig.submit(SHORT)).state is JobState.SUCCEEDED
    rig.stop(worker)
