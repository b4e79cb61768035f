"""Each schedule against its definition, and the contract of all schedules."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lth.core.limits import Limits
from lth.pruning.schedules import Schedule

ADAPTER = TypeAdapter(Schedule)
SHARES = st.floats(0.01, 0.99)
ROUNDS = st.integers(1, 30)


def densities(rate=1.0, **schedule):
    return ADAPTER.validate_python(schedule).densities(rate)


def test_one_shot_prunes_once():
    assert densities(kind="one_shot", sparsity=0.8) == pytest.approx((0.2,))
    assert densities(kind="one_shot", sparsity=0.8, rate=0.5) == pytest.approx((0.6,))


def test_linear_prunes_the_same_share_of_the_original_weights_in_each_round():
    assert densities(kind="linear", sparsity=0.8, rounds=4) == pytest.approx((0.8, 0.6, 0.4, 0.2))
    assert densities(kind="linear", sparsity=0.8, rounds=2, rate=0.5) == pytest.approx((0.8, 0.6))


def test_geometric_prunes_the_same_share_of_the_survivors_in_each_round():
    found = densities(kind="geometric", fraction=0.2, rounds=3)
    assert found == pytest.approx((0.8, 0.64, 0.512))


def test_geometric_reaches_a_sparsity_in_the_given_number_of_rounds():
    found = densities(kind="geometric", sparsity=0.875, rounds=3)
    assert found == pytest.approx((0.5, 0.25, 0.125))


@pytest.mark.parametrize(
    ("fraction", "sparsity", "rounds"),
    [
        (0.2, 0.79, 7),
        (0.2, 0.7902848, 7),
        (0.2, 0.7903, 8),
        (0.05, 1 - 0.95**4, 4),
        (0.5, 0.5, 1),
        (0.5, 0.2, 1),
        (0.1, 0.9, 22),
    ],
)
def test_geometric_ends_with_the_first_round_that_reaches_the_sparsity(fraction, sparsity, rounds):
    found = densities(kind="geometric", fraction=fraction, sparsity=sparsity)
    assert len(found) == rounds
    assert 1 - found[-1] >= sparsity - 1e-9


def test_the_rate_of_the_output_layer_halves_the_fraction_of_each_round():
    """It does not halve the cumulative share: two rounds of 20 % leave 81 %, not 82 %."""
    found = densities(kind="geometric", fraction=0.2, rounds=2, rate=0.5)
    assert found == pytest.approx((0.9, 0.81))


@given(
    schedule=st.one_of(
        st.builds(lambda s: {"kind": "one_shot", "sparsity": s}, SHARES),
        st.builds(lambda s, r: {"kind": "linear", "sparsity": s, "rounds": r}, SHARES, ROUNDS),
        st.builds(lambda f, r: {"kind": "geometric", "fraction": f, "rounds": r}, SHARES, ROUNDS),
        st.builds(lambda f, s: {"kind": "geometric", "fraction": f, "sparsity": s}, SHARES, SHARES),
        st.builds(lambda s, r: {"kind": "geometric", "sparsity": s, "rounds": r}, SHARES, ROUNDS),
    ),
    rate=st.floats(0, 1),
)
def test_densities_fall_and_stay_above_zero(schedule, rate):
    found = ADAPTER.validate_python(schedule).densities(rate)
    assert len(found) == len(ADAPTER.validate_python(schedule).densities(1.0))
    assert all(0 < density <= 1 for density in found)
    assert all(later <= earlier for earlier, later in pairwise(found))
    if rate == 0:
        assert set(found) == {1.0}


@pytest.mark.parametrize(
    "given_",
    [
        {},
        {"fraction": 0.2},
        {"rounds": 3},
        {"sparsity": 0.8},
        {"fraction": 0.2, "rounds": 3, "sparsity": 0.8},
    ],
)
def test_geometric_needs_two_of_its_three_parameters(given_):
    named = ", ".join(f"'{name}'" for name in given_) or "none of them"
    with pytest.raises(ValidationError, match=f"give two of .*; {named} was given"):
        ADAPTER.validate_python({"kind": "geometric", **given_})


def test_a_null_parameter_is_ignored():
    both = {"kind": "geometric", "fraction": 0.2, "sparsity": 0.5}
    assert densities(**both, rounds=None) == densities(**both)


def test_too_many_rounds_are_reported_at_their_field():
    schedule = {"kind": "geometric", "fraction": 0.2, "rounds": 3}
    with pytest.raises(ValidationError, match=r"3 rounds are more than the limit of 2") as refused:
        ADAPTER.validate_python(schedule, context=Limits(max_rounds=2))
    assert [error["loc"] for error in refused.value.errors()] == [("geometric", "rounds")]


@pytest.mark.parametrize("fraction", [1e-300, 0, 1, -0.2, float("nan")])
def test_a_fraction_that_prunes_nothing_or_all_is_refused(fraction):
    with pytest.raises(ValidationError, match="fraction"):
        ADAPTER.validate_python({"kind": "geometric", "fraction": fraction, "sparsity": 0.5})
