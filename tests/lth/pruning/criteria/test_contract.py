"""The contract of all criteria; new members are tested automatically."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter

from lth.core.family import kind_of, members
from lth.pruning.criteria import ALIASES, Criterion, Survivors

CRITERIA = [
    pytest.param(TypeAdapter(Criterion).validate_python(kind_of(member)), id=kind_of(member))
    for member in members(Criterion)
]
WEIGHTS = st.floats(-1e3, 1e3, width=32)
each_criterion = pytest.mark.parametrize("criterion", CRITERIA)


@st.composite
def survivors(draw):
    size = draw(st.integers(1, 40))
    initial, final, gradient = (draw(arrays(np.float32, size, elements=WEIGHTS)) for _ in range(3))
    return Survivors(initial, final, gradient, keep=draw(st.integers(1, size)))


@each_criterion
@settings(max_examples=25)
@given(weights=survivors())
def test_scores_are_one_finite_number_for_each_weight(criterion, weights):
    scores = criterion.scores(weights, np.random.default_rng(0))
    assert scores.shape == weights.final.shape
    assert np.issubdtype(scores.dtype, np.floating)
    assert np.isfinite(scores).all()


@each_criterion
@settings(max_examples=25)
@given(weights=survivors())
def test_scores_depend_only_on_the_weights_and_the_random_stream(criterion, weights):
    once = criterion.scores(weights, np.random.default_rng(7))
    again = criterion.scores(weights, np.random.default_rng(7))
    np.testing.assert_array_equal(once, again)


@each_criterion
@settings(max_examples=25)
@given(weights=survivors())
def test_scoring_does_not_change_the_weights(criterion, weights):
    before = weights.initial.copy(), weights.final.copy(), weights.gradient.copy()
    criterion.scores(weights, np.random.default_rng(0))
    for array, copy in zip((weights.initial, weights.final, weights.gradient), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@each_criterion
def test_zero_weights_of_either_sign_have_equal_scores(criterion):
    """A criterion does not divide by zero, and treats 0.0 and -0.0 alike."""
    zeros = np.array([0.0, -0.0, 0.0, -0.0], np.float32)
    weights = Survivors(zeros, zeros[::-1].copy(), zeros, keep=2)
    scores = criterion.scores(weights, np.random.default_rng(0))
    assert np.isfinite(scores).all()
    if criterion.kind != "random":
        assert np.unique(scores + 0.0).size == 1


@each_criterion
def test_only_a_criterion_that_needs_gradients_requires_them(criterion):
    weights = np.array([1.0, -2.0], np.float32)
    if criterion.needs_gradient:
        with pytest.raises(ValueError, match="gradients"):
            criterion.scores(Survivors(weights, weights, None, 1), np.random.default_rng(0))
    else:
        criterion.scores(Survivors(weights, weights, None, 1), np.random.default_rng(0))


@each_criterion
def test_a_criterion_survives_a_json_round_trip(criterion):
    adapter = TypeAdapter(Criterion)
    assert adapter.validate_json(adapter.dump_json(criterion)) == criterion


@each_criterion
def test_a_criterion_has_a_docstring_with_a_reference(criterion):
    assert type(criterion).__doc__
    assert "Reference:" in type(criterion).__doc__


def test_every_alias_names_a_member():
    adapter = TypeAdapter(Criterion)
    for alias, kind in ALIASES.items():
        assert adapter.validate_python(alias).kind == kind
