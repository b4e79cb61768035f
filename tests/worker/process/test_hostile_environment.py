"""A worker in an environment that would change results."""

import json
from pathlib import Path

import pytest

from service.store.states import JobState
from tests.worker.rig import Rig

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

CONVOLUTIONS = {"network": "conv-2", "training": {"duration": "6it", "batch_size": 20}}
HOSTILE = {
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "KERAS_BACKEND": "jax",
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "Asia/Kolkata",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


def test_a_hostile_environment_does_not_change_results(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With channels first in keras.json, a spec described another network."""
    real = {"execution": "lth.study.execution", "worker_processes": 1}
    usual = rig.start(**real, worker_pools="usual")
    first = rig.submit(CONVOLUTIONS, pool="usual")

    settings = {"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.5}
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(settings))
    for name, value in {**HOSTILE, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    hostile = rig.start(**real, worker_pools="hostile")
    second = rig.submit(CONVOLUTIONS, pool="hostile")

    for job in (first, second):
        assert rig.wait(job, 300).state is JobState.SUCCEEDED, rig.logs()
    one, other = (
        {name: content for name, content in rig.files(job).items() if name.endswith(".npz")}
        for job in (first, second)
    )
    assert one
    assert one == other
    assert "ignored, because they change results: " in rig.logs()
    for worker in (usual, hostile):
        rig.stop(worker)
