"""Checkpoints store arrays compactly and without loss."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lth.core.errors import CheckpointUnreadable
from lth.core.packing import Packed, pack, unpack
from lth.experiment.state import FORMAT, ExperimentState
from lth.study.model import LotteryModel
from tests.lth.small import TRAINING

ANY_BITS = st.integers(0, 2**32 - 1) | st.sampled_from([0, 0x80000000, 0x7F800001])
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9)


def round_trip(*given):
    named = {str(-number): array for number, array in enumerate(given)}
    packed = pack(named)
    index = json.loads(json.dumps(packed.index, sort_keys=True))
    found = unpack(Packed(packed.parts, index))
    assert list(found) == list(named)
    return packed, list(found.values())


@given(arrays.arrays(np.uint32, SHAPES, elements=ANY_BITS), arrays.arrays(np.bool_, SHAPES))
def test_unpacked_arrays_are_bitwise_equal(raw, mask):
    """The values include signed zeros, infinities and NaNs."""
    whole = raw.view(np.float32), mask, raw, raw.astype(np.float64)
    _, found = round_trip(*whole)
    for one, other in zip(whole, found, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


def test_a_pruned_weight_takes_one_bit_and_an_equal_array_takes_none():
    rng = np.random.default_rng(0)
    mask = rng.random((100, 80)) < 0.1
    kernel = rng.standard_normal((100, 80), np.float32) * mask
    packed, _ = round_trip(mask, kernel, np.abs(kernel), kernel.copy(), mask.copy())
    kept = 4 * np.count_nonzero(mask)
    assert sum(part.nbytes for part in packed.parts.values()) <= 2 * kept + 2 * 8_000 / 8


@pytest.mark.parametrize(("pruned", "parts"), [(0, 1), (299, 1), (301, 2), (8_000, 2)])
def test_positions_of_weights_are_stored_only_if_that_saves_space(pruned, parts):
    kernel = np.arange(1, 9_601, dtype=np.float32).reshape(120, 80)
    kernel.ravel()[:pruned] = 0
    packed, _ = round_trip(kernel)
    assert len(packed.parts) == parts
    assert sum(part.nbytes for part in packed.parts.values()) <= kernel.nbytes


def test_a_level_adds_less_than_a_network_to_a_checkpoint():
    model = LotteryModel("lenet-300-100", "digits", TRAINING)
    model.train()
    dense = len(model.trunk())
    sizes = []
    for sparsity in (0.9, 0.95, 0.99):
        model.prune(sparsity=sparsity, scope={"kind": "layer", "output": 1})
        model.reinit()
        model.train()
        sizes.append(len(model.state()))
    assert sizes[-1] - sizes[0] < dense / 8


def test_bytes_that_are_not_a_checkpoint_are_refused():
    complaint = rf"^these 7 bytes are not a checkpoint of format {FORMAT}; start"
    with pytest.raises(CheckpointUnreadable, match=complaint):
        ExperimentState.from_bytes(b"nothing")
