import pytest
from pydantic import TypeAdapter, ValidationError

from lth.pruning.scopes import Scope

ADAPTER = TypeAdapter(Scope)
ROLES = ("dense", "convolution", "output")


def rates(scope):
    found = ADAPTER.validate_python(scope)
    return {role: found.rate(role) for role in ROLES}


def test_the_default_rates_are_those_of_the_papers():
    """Each round prunes 20 % of dense layers, 10 % of convolutions and of the output layer."""
    assert rates("layer") == {"dense": 1.0, "convolution": 0.5, "output": 0.5}


def test_given_rates_are_used():
    scope = {"kind": "layer", "dense": 0.9, "convolution": 0.75, "output": 0.0}
    assert rates(scope) == {"dense": 0.9, "convolution": 0.75, "output": 0.0}


def test_a_global_scope_has_equal_rates_and_can_exclude_the_output_layer():
    assert rates("global") == dict.fromkeys(ROLES, 1.0)
    assert rates({"kind": "global", "output": False}) == {
        "dense": 1.0,
        "convolution": 1.0,
        "output": 0.0,
    }


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_that_is_not_a_share_is_refused(rate):
    with pytest.raises(ValidationError, match="convolution"):
        ADAPTER.validate_python({"kind": "layer", "convolution": rate})
