"""The state that a network has already: frozen layers, pretrained weights, adapted layers."""

import keras
import numpy as np
import pytest
from keras import layers

from lth import (
    ArrayDataset,
    LotteryConv2D,
    LotteryLinear,
    LotteryModel,
    LotteryRobust,
    SpecError,
    Training,
)
from tests.lth.small import same

RNG = np.random.default_rng(0)
DATA = ArrayDataset(RNG.random((300, 8, 8, 3)).astype("f4"), np.arange(300) % 2)
SHORT = Training.model_validate({"duration": "2ep", "batch_size": 30})


def base() -> keras.Sequential:
    """A pretrained part: built, with a Dropout, batch statistics, and an adapted layer."""
    adapted = layers.Normalization()
    adapted.adapt(RNG.random((50, 8, 8, 3)) * 3)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            adapted,
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.GlobalAveragePooling2D(),
        ],
        name="base",
    )


def with_head(part: keras.Layer) -> keras.Sequential:
    return keras.Sequential([part, LotteryLinear(8, "relu"), LotteryLinear(2)])


def model_of(network: keras.Sequential, **more) -> LotteryModel:
    return LotteryModel(network, DATA, SHORT, seed=1, **more)


def values_of(part: keras.Model) -> list[np.ndarray]:
    """The weights of the base, in the order of `get_weights`."""
    return [np.array(values) for values in part.get_weights()]


def test_a_frozen_part_keeps_its_weights_and_stays_frozen() -> None:
    """It was drawn anew without a word."""
    part = base()
    part.layers[2].moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    part.trainable = False
    given = values_of(part)

    model = model_of(with_head(part), initial_weights="redraw")
    kernel = model.initial_weights["base/conv2d/kernel"]
    assert any(np.array_equal(kernel, values) for values in given)
    model.one_shot(0.5)

    for level in model.trained_levels:
        for address, values in level.weights.items():
            if address.startswith("base/") and "seed_generator" not in address:
                assert np.array_equal(values, model.initial_weights[address]), address
    assert not same(model.initial_weights, model.trained_levels[0].weights)


def test_an_adapted_layer_keeps_its_statistics_whatever_the_choice() -> None:
    part = base()
    for choice in ("given", "redraw"):
        weights = model_of(with_head(part), initial_weights=choice).initial_weights
        assert np.array_equal(weights["base/normalization/mean"], np.ravel(part.layers[0].mean))


def test_trainable_weights_of_a_built_network_need_a_choice() -> None:
    network = with_head(base())
    with pytest.raises(SpecError, match=r"weights already .*'given' to start .*'redraw' to draw"):
        model_of(network)
    with pytest.raises(SpecError, match="'mine' is neither 'given' nor 'redraw'"):
        model_of(network, initial_weights="mine")

    given = model_of(network, initial_weights="given").initial_weights
    assert np.array_equal(given["linear_1/kernel"], network.layers[1].kernel.numpy())
    one, other = (
        LotteryModel(network, DATA, SHORT, trial=trial, initial_weights="redraw").initial_weights
        for trial in (1, 2)
    )
    assert not np.array_equal(one["base/conv2d/kernel"], other["base/conv2d/kernel"])
    assert not np.array_equal(one["linear_1/kernel"], other["linear_1/kernel"])


def test_equal_starts_of_all_trials_are_remarked() -> None:
    network = with_head(base())
    for choice, remarks in (("given", 1), ("redraw", 0)):
        robust = LotteryRobust(network, DATA, SHORT, trials=2, initial_weights=choice)
        one, other = (session.context.initial_weights for session in robust.sessions)
        assert np.array_equal(one["linear_1/kernel"], other["linear_1/kernel"]) == bool(remarks)
        robust.run([{"name": "ticket"}])
        said = [each for each in robust.get_summary().remarks if "given weights" in each]
        assert len(said) == remarks


def test_the_digest_of_a_method_includes_what_is_kept() -> None:
    digests = set()
    for constant in (1.0, 2.0, 2.0):
        part = base()
        part.trainable = False
        for weights in part.weights:
            weights.assign(np.full(weights.shape, constant))
        digests.add(model_of(with_head(part), initial_weights="redraw").context.digest)
    assert len(digests) == 2


@pytest.mark.parametrize("way", ["block", "inner", "unbuilt"])
def test_frozen_layers_are_not_trained_however_they_are_frozen(way: str) -> None:
    part = keras.Sequential([layers.Flatten(), layers.Dense(5), layers.BatchNormalization()])
    if way == "inner":
        for layer in part.layers:
            layer.trainable = False
    else:
        part.trainable = False
        part.layers[-1].trainable = True  # the block is frozen all the same
    if way != "unbuilt":
        part.build((None, 8, 8, 3))
    network = keras.Sequential([part, LotteryLinear(2)])
    model = model_of(network, initial_weights=None if way == "unbuilt" else "redraw")
    model.train()
    before, after = model.initial_weights, model.trained_levels[0].weights
    assert np.array_equal(before["sequential_1/dense/kernel"], after["sequential_1/dense/kernel"])
    assert not np.array_equal(before["linear_1/kernel"], after["linear_1/kernel"])


def test_states_that_an_experiment_cannot_keep_are_refused() -> None:
    shared = layers.Dense(16)
    twice = keras.Sequential([keras.Sequential([shared]), keras.Sequential([shared])])
    with pytest.raises(SpecError, match=r"'dense\w*' \(Dense\) is used 2 times in the network"):
        model_of(keras.Sequential([layers.Flatten(), *twice.layers, LotteryLinear(2)]))

    frozen = keras.Sequential([layers.Flatten(), LotteryLinear(4, trainable=False)])
    with pytest.raises(SpecError, match=r"is frozen \(trainable = False\)"):
        model_of(frozen)

    with pytest.raises(SpecError, match="'given', but the network has no trainable weights yet"):
        model_of(keras.Sequential([LotteryConv2D(2), layers.Flatten(), LotteryLinear(2)]),
                 initial_weights="given")  # fmt: skip
    with pytest.raises(SpecError, match=r"is for a keras\.Sequential"):
        LotteryModel("lenet-300-100", "digits", initial_weights="redraw")

    other_size = keras.Sequential([keras.Input((5, 5, 3)), layers.Flatten(), LotteryLinear(2)])
    with pytest.raises(SpecError, match=r"'linear_1/kernel' .* shape \[75, 2\], but \[192, 2\] is"):
        model_of(other_size, initial_weights="given")


def test_a_pruned_network_is_not_the_start_of_another_experiment() -> None:
    trained = model_of(with_head(base()), initial_weights="redraw")
    trained.one_shot(0.5)
    network = trained.network()
    with pytest.raises(SpecError, match="'linear_1' is pruned already"):
        model_of(network, initial_weights="given")
    model_of(trained.network(0), initial_weights="given")
    model_of(network, initial_weights="redraw")


@pytest.mark.parametrize("choice", ["given", "redraw"])
def test_a_variable_that_two_layers_share_is_kept_once(choice: str) -> None:
    part = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Flatten(), layers.SpectralNormalization(layers.Dense(4))]
    )
    model = model_of(keras.Sequential([part, LotteryLinear(2)]), initial_weights=choice)
    kernel = model.initial_weights["sequential_1/spectral_normalization/kernel"]
    assert np.array_equal(kernel, part.layers[-1].layer.kernel.numpy()) == (choice == "given")
