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


def again(*given):
    named = {str(-number): array for number, array in enumerate(given)}
    packed = pack(named)
    index = json.loads(json.dumps(packed.index, sort_keys=True))
    found = unpack(Packed(packed.parts, index))
    assert list(found) == list(named)
    return packed, list(found.values())


@given(arrays.arrays(np.uint32, SHAPES, elements=ANY_BITS), arrays.arrays(np.bool_, SHAPES))
def test_arrays_come_back_to_the_bit(raw, mask):
    """Zeros with a sign, infinities and all that is no number among them."""
    whole = raw.view(np.float32), mask, raw, raw.astype(np.float64)
    _, found = again(*whole)
    for one, other in zip(whole, found, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


def test_what_is_pruned_takes_a_bit_and_what_is_equal_nothing():
    rng = np.random.default_rng(0)
    mask = rng.random((100, 80)) < 0.1
    kernel = rng.standard_normal((100, 80), np.float32) * mask
    packed, _ = again(mask, kernel, np.abs(kernel), kernel.copy(), mask.copy())
    kept = 4 * np.count_nonzero(mask)
    assert sum(part.nbytes for part in packed.parts.values()) <= 2 * kept + 2 * 8_000 / 8


@pytest.mark.parametrize(("pruned", "parts"), [(0, 1), (299, 1), (301, 2), (8_000, 2)])
def test_the_places_of_weights_are_kept_only_where_that_takes_less(pruned, parts):
    kernel = np.arange(1, 9_601, dtype=np.float32).reshape(120, 80)
    kernel.ravel()[:pruned] = 0
    packed, _ = again(kernel)
    assert len(packed.parts) == parts
    assert sum(part.nbytes for part in packed.parts.values()) <= kernel.nbytes


def test_a_checkpoint_does_not_grow_by_a_network_a_level():
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


def test_bytes_of_another_kind_are_no_checkpoint():
    complaint = rf"^these 7 bytes are not a checkpoint of format {FORMAT}; start"
    with pytest.raises(CheckpointUnreadable, match=complaint):
        ExperimentState.from_bytes(b"nothing")
