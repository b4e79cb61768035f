"""A network of plain Keras layers becomes one that can be pruned."""

import keras
import numpy as np
import pytest
from keras import layers

from lth import LotteryModel, SpecError, lottery_network
from lth.engine.layers import LotteryConv2D, LotteryLinear
from tests.lth.small import TRAINING


def plain(*first: keras.Layer) -> keras.Sequential:
    return keras.Sequential(
        [
            *first,
            layers.Conv2D(3, 3, padding="same", activation="relu", name="eyes"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(10, use_bias=False, kernel_initializer="he_uniform"),
        ]
    )


def test_dense_and_convolutional_layers_are_converted_with_their_settings() -> None:
    network = plain()
    converted = lottery_network(network)
    assert [type(layer) for layer in converted.layers] == [
        LotteryConv2D,
        layers.BatchNormalization,
        layers.Flatten,
        LotteryLinear,
    ]
    for ours, theirs in zip(converted.layers, network.layers, strict=True):
        expected = theirs.get_config()
        assert {key: ours.get_config()[key] for key in expected} == expected


def test_a_built_network_keeps_its_weights() -> None:
    network = plain(keras.Input((8, 8, 1)))
    images = np.random.default_rng(0).random((5, 8, 8, 1)).astype("f4")
    converted = lottery_network(network)
    assert np.array_equal(converted.predict(images, verbose=0), network.predict(images, verbose=0))


def test_a_converted_network_is_trained_and_pruned() -> None:
    model = LotteryModel(lottery_network(plain()), "digits", TRAINING)
    _, ticket = model.one_shot(0.5)
    assert ticket.layers[0].name == "eyes"
    assert ticket.density < 0.75


def test_a_network_without_such_layers_is_refused() -> None:
    with pytest.raises(SpecError, match="no Dense or Conv2D layer to convert; its layers: Flatten"):
        lottery_network(keras.Sequential([layers.Flatten()]))
    entry = keras.Input((4,))
    functional = keras.Model(entry, layers.Dense(2)(entry))
    with pytest.raises(SpecError, match=r"Functional is not a keras\.Sequential"):
        lottery_network(functional)
