"""Each reset against its definition, on small kernels."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from lth.core.durations import Duration
from lth.reinit import KernelState, Reinit

REWIND = np.array([[0.1, -0.2], [0.3, -0.4]], np.float32)
TRAINED = np.array([[1.0, 2.0], [-3.0, -4.0]], np.float32)
FRESH = np.array([[-5.0, 6.0], [7.0, -8.0]], np.float32)
MASK = np.array([[True, True], [True, False]])
KERNEL = KernelState(REWIND, TRAINED, FRESH, MASK, stddev=0.25)
RATES = np.array([0.4, 0.3, 0.2, 0.1], np.float32)


def parsed(document):
    return TypeAdapter(Reinit).validate_python(document)


def reset(document, kernel=KERNEL, seed=0):
    return parsed(document).reset(kernel, np.random.default_rng(seed))


def test_rewind_gives_the_weights_at_the_rewind_point():
    np.testing.assert_array_equal(reset("rewind"), REWIND)


def test_rewind_can_return_to_any_step():
    assert parsed("rewind").rewind_point == Duration(0, "it")
    assert parsed({"kind": "rewind", "to": "500it"}).rewind_point == Duration(500, "it")
    assert parsed({"kind": "jitter", "to": "2ep"}).rewind_point == Duration(2, "ep")
    assert parsed({"kind": "learning_rate", "to": "1ep"}).rewind_point == Duration(1, "ep")


def test_jitter_adds_noise_relative_to_the_deviation_of_the_layer():
    zeros = np.zeros((300, 300), np.float32)
    kernel = KernelState(zeros + 1, zeros, zeros, zeros == 0, stddev=0.25)
    noise = reset({"kind": "jitter", "noise": 2.0}, kernel) - 1
    assert noise.std() == pytest.approx(0.5, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.01)


def test_jitter_with_kept_signs_changes_only_magnitudes():
    result = reset({"kind": "jitter", "noise": 10, "keep_sign": True})
    free = reset({"kind": "jitter", "noise": 10})
    np.testing.assert_array_equal(np.abs(result), np.abs(free))
    np.testing.assert_array_equal(np.sign(result), np.sign(REWIND))


def test_random_gives_the_fresh_kernel():
    np.testing.assert_array_equal(reset("random"), FRESH)
    np.testing.assert_array_equal(
        reset({"kind": "random", "keep_sign": True}), [[5.0, -6.0], [7.0, -8.0]]
    )


def test_reshuffle_permutes_the_values_of_the_survivors():
    rng = np.random.default_rng(0)
    rewind = rng.normal(size=1000).astype(np.float32)
    kernel = KernelState(rewind, rewind, rewind, rng.random(1000) < 0.4, stddev=1.0)
    result = reset("reshuffle", kernel)
    assert sorted(result[kernel.mask]) == sorted(rewind[kernel.mask])
    assert np.mean(result[kernel.mask] == rewind[kernel.mask]) < 0.02


def test_reshuffle_with_kept_signs_permutes_the_magnitudes():
    result = reset({"kind": "reshuffle", "keep_sign": True})
    assert sorted(np.abs(result[MASK])) == sorted(np.abs(REWIND[MASK]))
    np.testing.assert_array_equal(np.sign(result[MASK]), np.sign(REWIND[MASK]))


def test_constant_is_the_deviation_of_the_layer_with_random_signs():
    kernel = KernelState(*[np.ones((100, 100), np.float32)] * 3, np.ones((100, 100), bool), 0.25)
    result = reset("constant", kernel)
    assert set(np.unique(result)) == {np.float32(-0.25), np.float32(0.25)}
    assert np.mean(result > 0) == pytest.approx(0.5, abs=0.03)


def test_constant_can_keep_signs():
    result = reset({"kind": "constant", "value": 0.5, "keep_sign": True})
    np.testing.assert_array_equal(result, [[0.5, -0.5], [0.5, -0.5]])


def test_fine_tuning_keeps_weights_and_the_last_learning_rate():
    np.testing.assert_array_equal(reset("none"), TRAINED)
    np.testing.assert_array_equal(parsed("none").learning_rates(RATES), np.float32([0.1] * 4))
    assert not parsed("none").restores


def test_learning_rate_rewinding_keeps_weights_and_restarts_the_schedule():
    np.testing.assert_array_equal(reset("learning_rate"), TRAINED)
    np.testing.assert_array_equal(parsed("learning_rate").learning_rates(RATES), RATES)
    assert not parsed("learning_rate").restores


@pytest.mark.parametrize("kind", ["rewind", "jitter", "random", "reshuffle", "constant"])
def test_other_resets_restore_biases_and_learning_rates(kind):
    assert parsed(kind).restores
    np.testing.assert_array_equal(parsed(kind).learning_rates(RATES), RATES)
