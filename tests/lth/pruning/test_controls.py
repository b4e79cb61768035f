import numpy as np
import pytest
from pydantic import TypeAdapter

from lth.core.family import kind_of, members
from lth.pruning.controls import Control
from lth.pruning.masks import density
from tests.lth.small import layer_densities

KINDS = [kind_of(member) for member in members(Control)]


@pytest.fixture
def ticket():
    rng = np.random.default_rng(0)
    shapes = {"a": (50, 40), "b": (40, 10), "c": (10, 10)}
    shares = {"a": 0.1, "b": 0.9, "c": 0.5}
    return {name: rng.random(shape) < shares[name] for name, shape in shapes.items()}


def masks(kind, ticket, seed=0):
    control = TypeAdapter(Control).validate_python({"kind": kind, "of": "ticket"})
    return control.masks(ticket, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_a_control_keeps_as_many_weights_as_its_ticket(kind, ticket):
    controlled = masks(kind, ticket)
    assert density(controlled) == density(ticket)
    assert {name: (mask.shape, mask.dtype) for name, mask in controlled.items()} == {
        name: (mask.shape, mask.dtype) for name, mask in ticket.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_control_does_not_change_the_masks_of_its_ticket(kind, ticket):
    before = {name: mask.copy() for name, mask in ticket.items()}
    masks(kind, ticket)
    for name, mask in ticket.items():
        np.testing.assert_array_equal(mask, before[name])


def test_random_weights_use_the_masks_of_the_ticket(ticket):
    for name, mask in masks("random_weights", ticket).items():
        np.testing.assert_array_equal(mask, ticket[name])


def test_a_shuffled_mask_keeps_the_density_of_each_layer_at_other_positions(ticket):
    controlled = masks("shuffled_mask", ticket)
    assert layer_densities(controlled) == layer_densities(ticket)
    assert all((controlled[name] != ticket[name]).any() for name in ticket)


def test_a_random_mask_spreads_the_survivors_over_the_network(ticket):
    found = layer_densities(masks("random_mask", ticket))
    assert found["a"] == pytest.approx(density(ticket), abs=0.03)
    assert found["b"] == pytest.approx(density(ticket), abs=0.06)


@pytest.mark.parametrize("kind", ["shuffled_mask", "random_mask"])
def test_other_seeds_give_other_masks(kind, ticket):
    once, again, other = (masks(kind, ticket, seed)["a"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()
