"""Every Keras layer with a variable or a seed generator, at any depth: its names and its seeds."""

import random

import keras
import numpy as np
import pytest
from keras import layers

from lth import SpecError
from lth.engine.layer_configs import layer_configs
from lth.engine.network import Blueprint
from lth.engine.variables import is_random_state, weight_variables

IMAGE, SEQUENCE, FEATURES, VIDEO = (8, 8, 3), (5, 6), (6,), (4, 8, 8, 3)
WINDOW = {"filters": 2, "kernel_size": 2}

ARGUMENTS = {
    "AlphaDropout": (FEATURES, {"rate": 0.3}),
    "AugMix": (IMAGE, {}),
    "BatchNormalization": (FEATURES, {}),
    "Bidirectional": (SEQUENCE, {"layer": layers.GRU(3, dropout=0.2)}),
    "Conv1D": (SEQUENCE, WINDOW),
    "Conv1DTranspose": (SEQUENCE, WINDOW),
    "Conv2D": (IMAGE, WINDOW),
    "Conv2DTranspose": (IMAGE, WINDOW),
    "Conv3D": (VIDEO, WINDOW),
    "Conv3DTranspose": (VIDEO, WINDOW),
    "ConvLSTM1D": (IMAGE, WINDOW),
    "ConvLSTM2D": (VIDEO, WINDOW),
    "CutMix": (IMAGE, {}),
    "Dense": (FEATURES, {"units": 3}),
    "DepthwiseConv1D": (SEQUENCE, {"kernel_size": 2}),
    "DepthwiseConv2D": (IMAGE, {"kernel_size": 2}),
    "Dropout": (FEATURES, {"rate": 0.3}),
    "EinsumDense": (SEQUENCE, {"equation": "abc,cd->abd", "output_shape": (5, 3)}),
    "Embedding": (FEATURES, {"input_dim": 9, "output_dim": 3}),
    "GRU": (SEQUENCE, {"units": 3, "dropout": 0.2}),
    "GaussianDropout": (FEATURES, {"rate": 0.3}),
    "GaussianNoise": (FEATURES, {"stddev": 0.3}),
    "GroupNormalization": (IMAGE, {"groups": 1}),
    "LSTM": (SEQUENCE, {"units": 3, "dropout": 0.2, "recurrent_dropout": 0.2}),
    "LayerNormalization": (FEATURES, {}),
    "MixUp": (IMAGE, {}),
    "Normalization": (FEATURES, {}),
    "PReLU": (FEATURES, {}),
    "RMSNormalization": (FEATURES, {}),
    "RNN": (SEQUENCE, {"cell": [layers.LSTMCell(3), layers.GRUCell(2), layers.LSTMCell(3)]}),
    "RandAugment": (IMAGE, {}),
    "RandomBrightness": (IMAGE, {"factor": 0.1}),
    "RandomColorJitter": (IMAGE, {}),
    "RandomContrast": (IMAGE, {"factor": 0.1}),
    "RandomCrop": (IMAGE, {"height": 4, "width": 4}),
    "RandomErasing": (IMAGE, {}),
    "RandomFlip": (IMAGE, {}),
    "RandomRotation": (IMAGE, {"factor": 0.1}),
    "RandomTranslation": (IMAGE, {"height_factor": 0.1, "width_factor": 0.1}),
    "RandomZoom": (IMAGE, {"height_factor": 0.1}),
    "SeparableConv1D": (SEQUENCE, WINDOW),
    "SeparableConv2D": (IMAGE, WINDOW),
    "SimpleRNN": (SEQUENCE, {"units": 3, "dropout": 0.2}),
    "SpatialDropout1D": (SEQUENCE, {"rate": 0.3}),
    "SpatialDropout2D": (IMAGE, {"rate": 0.3}),
    "SpatialDropout3D": (VIDEO, {"rate": 0.3}),
    "SpectralNormalization": (IMAGE, {"layer": layers.Conv2D(2, 2)}),
    "TimeDistributed": (SEQUENCE, {"layer": layers.Dense(3)}),
}
"""The shape of a sample and the arguments of each layer."""


@keras.saving.register_keras_serializable("tests")
class Custom(keras.Layer):
    """Creates its inner layers itself, so they are not in its configuration."""

    def __init__(self, **more):
        super().__init__(**more)
        self.first = layers.Dense(6)
        self.others = [layers.Dense(6), layers.SpectralNormalization(layers.Dense(6))]
        self.noise, self.more_noise = keras.random.SeedGenerator(), keras.random.SeedGenerator()

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(6,), initializer="random_normal", name="w")
        self.shift = self.add_weight(shape=(6,), initializer="random_normal", name="w")

    def call(self, inputs):
        for layer in (self.first, *self.others):
            inputs = layer(inputs)
        noise = keras.random.normal((6,), seed=self.noise)
        return inputs * self.scale + self.shift + noise


def functional(*inner: keras.Layer) -> keras.Model:
    inputs = keras.Input(FEATURES)
    hidden = layers.Dense(6, name="given")(inputs)
    for layer in (layers.Dense(6), layers.Dropout(0.2), *inner):
        hidden = layer(hidden) + hidden
    return keras.Model(inputs, hidden)


def attention() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    return keras.Model(inputs, layers.MultiHeadAttention(2, 3, dropout=0.1)(inputs, inputs))


def application() -> keras.Model:
    return keras.applications.MobileNetV3Small((32, 32, 3), weights=None, include_top=False)


BLOCKS = {
    "functional": (FEATURES, lambda: functional()),
    "functional in functional": (FEATURES, lambda: functional(functional())),
    "sequential in functional": (
        FEATURES,
        lambda: functional(keras.Sequential([keras.Input(FEATURES), layers.Dense(6)])),
    ),
    "custom": (FEATURES, Custom),
    "custom in functional": (FEATURES, lambda: functional(Custom())),
    "attention": (SEQUENCE, attention),
    "application": ((32, 32, 3), application),
    "augmentations": (
        IMAGE,
        lambda: keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)]),
    ),
    "block in a wrapper": (
        SEQUENCE,
        lambda: layers.TimeDistributed(
            keras.Sequential([layers.Dense(3), layers.Dropout(0.1), layers.Dropout(0.2)])
        ),
    ),
}


def single(kind: str) -> keras.Layer:
    """A layer with a default name, two blocks deep."""
    _, arguments = ARGUMENTS[kind]
    config = keras.layers.serialize(getattr(layers, kind)(**arguments))
    fresh = keras.layers.deserialize(config)
    return keras.Sequential([keras.Sequential([fresh])])


CASES = {
    **{kind: (shape, lambda kind=kind: single(kind)) for kind, (shape, _) in ARGUMENTS.items()},
    **BLOCKS,
}


@pytest.mark.parametrize("case", CASES)
def test_names_and_initial_weights_follow_from_the_seed_of_the_trial(case: str) -> None:
    """Inner layers had the seed of no trial, and names that depended on the process."""
    shape, create = CASES[case]
    first = Blueprint(layer_configs([create()]), shape)
    random.random()
    again = Blueprint(layer_configs([create()]), shape)
    assert first.key == again.key

    weights, repeated, other = (
        first.initial_weights(1),
        again.initial_weights(1),
        first.initial_weights(2),
    )
    model = first.build(1)
    variables = {id(variable) for layer in model.layers for variable in layer.variables}
    assert len(weights) == len(variables), "each variable has an address of its own"
    assert list(weights) == list(repeated)
    for address, values in weights.items():
        assert np.array_equal(values, repeated[address]), address
        if is_random_state(address) or _is_random(values):
            assert not np.array_equal(values, other[address]), address


def test_existing_names_of_layers_do_not_change() -> None:
    """They are the keys of masks, weights and checkpoints."""
    network = [
        keras.Sequential([layers.Dense(2), layers.Dense(2), layers.Dense(2, name="head")]),
        layers.LSTM(3),
        layers.Flatten(),
    ]
    built = Blueprint(layer_configs(network), SEQUENCE).build()
    assert [address for address in weight_variables(built) if "bias" not in address] == [
        "sequential_1/dense/kernel",
        "sequential_1/dense_1/kernel",
        "sequential_1/head/kernel",
        "lstm_1/lstm_cell/kernel",
        "lstm_1/lstm_cell/recurrent_kernel",
        "lstm_1/lstm_cell/seed_generator_state",
    ]


def test_two_inner_layers_of_one_name_have_different_addresses() -> None:
    block = keras.Sequential([keras.Sequential([layers.Dense(2)], name="a") for _ in range(1)])
    both = [block, keras.Sequential([keras.Sequential([layers.Dense(2)], name="a")])]
    built = Blueprint(layer_configs(both), FEATURES).build()
    assert [address for address in weight_variables(built) if "bias" not in address] == [
        "sequential_1/a/dense/kernel",
        "sequential_2/a/dense/kernel",
    ]


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (layers.Lambda(lambda x: x / 2), r"\(Lambda\) .* 'function' is a lambda"),
        (layers.Dense(2, activation=lambda x: x), r"\(Dense\) .* 'activation' is a lambda"),
        (
            layers.Dense(2, kernel_initializer=lambda shape, dtype=None: keras.ops.ones(shape)),
            "'kernel_initializer' is a lambda",
        ),
        (
            layers.TimeDistributed(layers.Dense(2, name="inner", activation=lambda x: x)),
            r"'inner' \(Dense\) .* 'activation' is a lambda",
        ),
        (type("Unknown", (keras.Layer,), {})(), r"'unknown' \(Unknown\) cannot be created again"),
    ],
)
def test_a_layer_that_cannot_be_created_again_is_refused_by_name(
    layer: keras.Layer, what: str
) -> None:
    with pytest.raises(SpecError, match=what) as error:
        layer_configs([layer])
    assert "register your own named ones with @keras.saving" in str(error.value)


def _is_random(values: np.ndarray) -> bool:
    """Whether values were drawn; biases of LSTM cells are zeros and ones."""
    return not set(np.unique(values)) <= {0.0, 1.0} and values.std() > 0
