"""Optimizers as data; other tests build them with Keras."""

import keras
import pytest
from pydantic import TypeAdapter, ValidationError

from lth.core.family import kind_of, members
from lth.training.optimizers import Optimizer

ADAPTER = TypeAdapter(Optimizer)
KINDS = [kind_of(member) for member in members(Optimizer)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_configuration_for_keras_has_every_parameter(kind):
    optimizer = ADAPTER.validate_python({"kind": kind, "learning_rate": 0.25})
    config = optimizer.keras_config()
    assert config["class_name"] == kind
    assert config["config"]["learning_rate"] == 0.25
    assert set(config["config"]) == set(type(optimizer).model_fields) - {"kind"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), None])
def test_a_learning_rate_that_is_not_a_positive_number_is_refused(kind, rate):
    with pytest.raises(ValidationError, match="learning_rate"):
        ADAPTER.validate_python({"kind": kind, "learning_rate": rate})


@pytest.mark.parametrize("kind", KINDS)
def test_a_learning_rate_is_required(kind):
    with pytest.raises(ValidationError, match="learning_rate"):
        ADAPTER.validate_python(kind)


def test_only_adamw_decays_weights_by_default():
    decays = {
        kind: ADAPTER.validate_python({"kind": kind, "learning_rate": 1e-3}).weight_decay
        for kind in KINDS
    }
    assert decays == {"sgd": None, "adam": None, "adamw": 0.004, "rmsprop": None}


@pytest.mark.parametrize(
    "chosen",
    [
        *({"kind": kind} for kind in KINDS),
        {"kind": "sgd", "momentum": 0.9},
        {"kind": "rmsprop", "momentum": 0.9},
        {"kind": "rmsprop", "momentum": 0.9, "centered": True},
    ],
)
def test_the_number_of_slots_is_that_of_keras(chosen):
    optimizer = ADAPTER.validate_python({"learning_rate": 0.25, **chosen})
    built = keras.optimizers.deserialize(optimizer.keras_config())
    weight = keras.Variable([[1.0, 2.0]])
    built.build([weight])
    assert optimizer.slots == sum(slot.shape == weight.shape for slot in built.variables)
