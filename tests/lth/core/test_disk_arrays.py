"""Memory does not grow with the number of rewind points, because their weights are on disk."""

import json
import subprocess
import sys

import numpy as np
import pytest

from lth.core.disk_arrays import Spill
from lth.experiment.state import ExperimentState
from lth.study.session import LotterySession
from tests import ROOT
from tests.lth.peak_memory import SNAPSHOT
from tests.lth.small import TRAINING, network, same


@pytest.mark.system
def test_memory_does_not_grow_with_the_number_of_rewind_points():
    """The checkpoints of experiments do not contain these weights either."""
    few, many = 2, 120
    command = [sys.executable, "-W", "ignore", "-m", "tests.lth.peak_memory", str(few), str(many)]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    one, other = json.loads(printed.splitlines()[-1])
    assert other["dense checkpoint"] > many * SNAPSHOT
    assert other["dense"] - one["dense"] < 20 * SNAPSHOT
    assert other["forked"] - one["forked"] < 20 * SNAPSHOT
    assert abs(other["forked checkpoint"] - one["forked checkpoint"]) < SNAPSHOT / 2


def test_arrays_are_read_bitwise_equal_from_disk_and_equal_ones_are_written_once():
    rng = np.random.default_rng(0)
    arrays = {
        "dense": rng.standard_normal((40, 30), np.float32),
        "sparse": rng.standard_normal((40, 30), np.float32) * (rng.random((40, 30)) < 0.1),
        "mask": rng.random(77) < 0.5,
        "count": np.asarray(7, np.int64),
        "none": np.zeros((0, 3), np.float32),
    }
    spill = Spill()
    first, size = spill.keep(arrays), len(spill)
    second = spill.keep({**arrays, "other": arrays["dense"] + 1})
    assert len(spill) == size + 1
    for kept in (first, second):
        assert list(kept)[: len(arrays)] == list(arrays)
        for name, array in arrays.items():
            found = kept[name]
            assert (found.dtype, found.shape, found.tobytes()) == (
                array.dtype,
                array.shape,
                array.tobytes(),
            )


def test_a_session_saves_the_weights_at_rewind_points_once_for_all_experiments():
    points = [f"{step}it" for step in range(1, 31)]
    before, after = (
        LotterySession(network(), "digits", TRAINING, keep_weights_at=points) for _ in "ab"
    )
    before.train_dense()
    sizes = []
    for name in ("one", "two", "three"):
        before.new_experiment(name)
        sizes.append(len(before.state()))
    assert sizes[2] - sizes[1] < len(before.trunk) / 4
    after.restore(before.state())
    assert after.state() == before.state()
    for name in ("one", "two"):
        ours, theirs = (
            ExperimentState.from_bytes(each.experiment(name).state()).rewinds
            for each in (before, after)
        )
        assert ours.keys() == theirs.keys() == {0, *range(1, 31)}
        assert all(same(ours[step], theirs[step]) for step in ours)
        model = after.experiment(name)
        model.prune(sparsity=0.5)
        model.reinit({"kind": "rewind", "to": "7it"})
        for place in model.context.places:
            kept = ours[7][place.kernel] * model.masks[place.name]
            assert np.array_equal(model.ticket[place.kernel], kept)
