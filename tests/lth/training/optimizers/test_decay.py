"""Learning rates step by step, computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lth.core.durations import Duration
from lth.training.optimizers.decay import Decay, learning_rates

ADAPTER = TypeAdapter(Decay)


def rates(decay, iterations=8, warmup="0it", base=1.0, steps_per_epoch=2):
    parsed, rising = ADAPTER.validate_python(decay), Duration.parse(warmup)
    return learning_rates(base, parsed, rising, iterations, steps_per_epoch)


def test_constant_repeats_one_rate():
    np.testing.assert_array_equal(rates("constant", 3, base=0.5), np.float32([0.5, 0.5, 0.5]))


def test_step_multiplies_at_each_point():
    decay = {"kind": "step", "at": ["2ep", "6it"], "factor": 0.5}
    np.testing.assert_array_equal(rates(decay), [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25])


def test_steps_can_be_given_in_any_order_and_after_the_end():
    decay = {"kind": "step", "at": ["100ep", "6it", "4it"], "factor": 0.5}
    np.testing.assert_array_equal(rates(decay), [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25])


def test_cosine_starts_at_the_full_rate_and_is_halfway_in_the_middle():
    found = rates("cosine", 4)
    np.testing.assert_allclose(found, 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4)), rtol=1e-6)
    assert found[0] == 1
    assert found[2] == pytest.approx(0.5)
    found = rates({"kind": "cosine", "final": 0.1}, 10_000)
    assert found[[0, 5_000, -1]] == pytest.approx([1, 0.55, 0.1], abs=1e-3)


def test_warm_up_rises_to_the_full_rate():
    np.testing.assert_allclose(rates("constant", 6, "4it"), [0.25, 0.5, 0.75, 1, 1, 1])
    np.testing.assert_allclose(rates("constant", 6, "2ep"), [0.25, 0.5, 0.75, 1, 1, 1])


def test_warm_up_can_be_combined_with_a_decay():
    decay = {"kind": "step", "at": ["4it"], "factor": 0.1}
    np.testing.assert_allclose(rates(decay, 6, "2it"), [0.5, 1, 1, 1, 0.1, 0.1], rtol=1e-6)


@given(
    decay=st.sampled_from(["constant", "cosine", {"kind": "step", "at": ["1ep", "3ep"]}]),
    iterations=st.integers(1, 200),
    warmup=st.integers(0, 50),
    base=st.floats(1e-6, 100),
)
def test_there_is_one_finite_rate_for_each_step(decay, iterations, warmup, base):
    found = rates(decay, iterations, f"{warmup}it", base)
    assert found.shape == (iterations,)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    assert (found <= np.float32(base)).all()


@pytest.mark.parametrize(
    ("decay", "field"),
    [
        ({"kind": "step", "at": []}, "at"),
        ({"kind": "step", "at": ["0ep"]}, "at"),
        ({"kind": "step", "at": ["1ep"], "factor": 1}, "factor"),
        ({"kind": "cosine", "final": -0.1}, "final"),
    ],
)
def test_a_malformed_decay_is_refused(decay, field):
    with pytest.raises(ValidationError, match=field):
        ADAPTER.validate_python(decay)
