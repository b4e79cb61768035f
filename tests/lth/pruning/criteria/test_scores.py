"""Each criterion on four weights, with scores computed by hand."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from lth.pruning.criteria import Criterion, Survivors

#                    grew   shrank  grew and turned  shrank and turned
INITIAL = np.array([0.2, -0.8, 0.1, -0.4], np.float32)
FINAL = np.array([0.9, -0.5, -0.6, 0.3], np.float32)
GRADIENT = np.array([1.0, 0.5, 6.0, 0.0], np.float32)

EXPECTED = {
    "large_final": [0.9, 0.5, 0.6, 0.3],
    "small_final": [-0.9, -0.5, -0.6, -0.3],
    "large_init": [0.2, 0.8, 0.1, 0.4],
    "small_init": [-0.2, -0.8, -0.1, -0.4],
    # ranks of |final| 3 1 2 0, of |initial| 1 3 0 2
    "large_init_large_final": [1, 1, 0, 0],
    "small_init_small_final": [-3, -3, -2, -2],
    "magnitude_increase": [0.7, -0.3, 0.5, -0.1],
    "movement": [0.7, 0.3, 0.7, 0.7],
    "large_final_same_sign": [0.9, 0.5, 0.0, 0.0],
    "large_final_diff_sign": [0.0, 0.0, 0.6, 0.3],
    "magnitude_increase_same_sign": [0.7, 0.0, 0.0, 0.0],
    "magnitude_increase_diff_sign": [0.0, 0.0, 0.5, 0.0],
    "snip": [0.2, 0.4, 0.6, 0.0],
}


def scores(kind, initial=INITIAL, final=FINAL, gradient=GRADIENT, keep=2):
    criterion = TypeAdapter(Criterion).validate_python(kind)
    weights = Survivors(initial, final, gradient, keep)
    return criterion.scores(weights, np.random.default_rng(0))


@pytest.mark.parametrize("kind", EXPECTED)
def test_scores_agree_with_the_definition(kind):
    np.testing.assert_allclose(scores(kind), EXPECTED[kind], rtol=1e-6, atol=1e-7)


def test_a_weight_with_an_initial_value_of_zero_has_no_sign():
    initial, final = np.float32([0.0, -0.0, 0.5]), np.float32([0.9, -0.9, 0.1])
    for kind in ("large_final_same_sign", "magnitude_increase_same_sign"):
        assert list(scores(kind, initial, final)[:2]) == [0, 0]
    for kind in ("large_final_diff_sign", "magnitude_increase_diff_sign"):
        assert list(scores(kind, initial, final)[:2]) == [0, 0]


def test_random_scores_depend_on_the_random_stream():
    criterion = TypeAdapter(Criterion).validate_python("random")
    weights = Survivors(INITIAL, FINAL, None, 2)
    first = criterion.scores(weights, np.random.default_rng(1))
    assert not np.array_equal(first, criterion.scores(weights, np.random.default_rng(2)))


@pytest.mark.parametrize("keep", [1, 17, 60, 199])
def test_large_init_large_final_keeps_what_the_scaled_minimum_keeps(keep):
    """The `keep` best by rank are the best by min(a|wf|, |wi|), where a aligns percentiles."""
    rng = np.random.default_rng(keep)
    initial, final = rng.normal(size=(2, 200)).astype(np.float32)
    ranked = np.sort(scores("large_init_large_final", initial, final, keep=keep))[::-1]
    rank = int(ranked[keep - 1])
    scale = np.sort(np.abs(initial))[rank] / np.sort(np.abs(final))[rank]
    by_formula = np.minimum(scale * np.abs(final), np.abs(initial))
    by_ranks = scores("large_init_large_final", initial, final, keep=keep)
    cut = np.sort(by_ranks)[-keep]
    surely_kept, surely_pruned = by_ranks > cut, by_ranks < cut
    assert by_formula[surely_kept].min(initial=np.inf) > by_formula[surely_pruned].max(initial=0)


@pytest.mark.parametrize("keep", [1, 17, 60, 199])
def test_small_init_small_final_keeps_what_the_scaled_maximum_keeps(keep):
    rng = np.random.default_rng(keep)
    initial, final = rng.normal(size=(2, 200)).astype(np.float32)
    by_ranks = scores("small_init_small_final", initial, final, keep=keep)
    cut = np.sort(by_ranks)[-keep]
    rank = int(-cut)
    scale = np.sort(np.abs(initial))[rank] / np.sort(np.abs(final))[rank]
    by_formula = -np.maximum(scale * np.abs(final), np.abs(initial))
    surely_kept, surely_pruned = by_ranks > cut, by_ranks < cut
    lowest_kept = by_formula[surely_kept].min(initial=0)
    assert lowest_kept > by_formula[surely_pruned].max(initial=-np.inf)
