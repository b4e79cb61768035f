import numpy as np
import pytest

from lth.pruning.pruned_values import pruned_values, rescaled, signed_constant

#                              kept, shrunk, grew, unmoved, turned but grew
INITIAL = np.array([[0.5, -0.4, 0.2, -0.3, 0.1]], np.float32)
FINAL = np.array([[0.9, -0.1, 0.3, -0.3, -0.2]], np.float32)
MASK = np.array([[True, False, False, False, False]])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("zero", [0, 0, 0, 0, 0]),
        ("initial", [0, -0.4, 0.2, -0.3, 0.1]),
        ("initial_if_grown", [0, 0, 0.2, -0.3, 0.1]),
    ],
)
def test_pruned_weights_get_the_chosen_values(kind, expected):
    values = pruned_values(kind, INITIAL, FINAL, MASK)
    np.testing.assert_array_equal(values, np.float32([expected]))
    assert values.dtype == np.float32


@pytest.mark.parametrize("kind", ["zero", "initial", "initial_if_grown"])
def test_a_frozen_weight_is_unchanged_at_the_next_level(kind):
    frozen = pruned_values(kind, INITIAL, FINAL, MASK)
    trained_again = np.where(MASK, np.float32(0.7), frozen)
    np.testing.assert_array_equal(pruned_values(kind, INITIAL, trained_again, MASK), frozen)


def test_signed_constants_keep_only_signs():
    kernel = np.array([0.9, -0.1, 0.0, -0.7], np.float32)
    values = signed_constant(kernel, np.array([True, True, True, False]), stddev=0.25)
    np.testing.assert_array_equal(values, np.float32([0.25, -0.25, 0, 0]))
    assert values.dtype == np.float32


def test_rescaling_divides_by_the_density_of_the_layer():
    kernel = np.array([0.5, -1.0, 2.0, 3.0], np.float32)
    values = rescaled(kernel, np.array([True, True, False, False]))
    np.testing.assert_array_equal(values, np.float32([1, -2, 0, 0]))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(rescaled(kernel, np.zeros(4, bool)), np.zeros(4))
