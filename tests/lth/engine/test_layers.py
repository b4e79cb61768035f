"""Lottery layers in Keras: variables, gradients, initialization, serialization."""

import keras
import numpy as np
import pytest

from lth.core.errors import NothingToPrune, SpecError
from lth.engine.layers import LotteryConv2D, LotteryLinear
from lth.engine.network import Blueprint, prunable
from lth.engine.variables import weight_variables


def built(*layers: keras.Layer, shape=(8, 8, 1)) -> keras.Sequential:
    model = keras.Sequential(list(layers))
    model.build((None, *shape))
    return model


def test_kernels_biases_and_masks_are_tracked_as_variables():
    """Defect 1: in Keras 3, a model of layers with bare tensors has no variables."""
    model = built(keras.layers.Flatten(), LotteryLinear(5), LotteryLinear(3))
    assert len(model.trainable_variables) == 4
    assert len({variable.path for variable in model.variables}) == len(model.variables) == 6


def test_two_layers_with_the_same_name_prefix_have_different_keys():
    """Defect 1: if plain names are the keys, all kernels collide."""
    blueprint = Blueprint.of_sequential(
        keras.Sequential([keras.layers.Flatten(), LotteryLinear(5), LotteryLinear(3)]), (8, 8, 1)
    )
    weights = weight_variables(blueprint.build())
    assert list(weights) == [
        "linear_1/kernel",
        "linear_1/bias",
        "linear_2/kernel",
        "linear_2/bias",
    ]


def test_a_network_without_lottery_layers_is_refused():
    """Defect 1: a network that cannot be pruned must be an error."""
    plain = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    with pytest.raises(NothingToPrune, match="none of the 2 layers can be pruned"):
        Blueprint.of_sequential(plain, (8, 8, 1))


@pytest.mark.parametrize(
    "layer",
    [LotteryLinear(7, activation="relu"), LotteryConv2D(4, 3, strides=2, padding="valid")],
)
def test_a_layer_survives_a_configuration_round_trip(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert keras.layers.deserialize(keras.layers.serialize(layer)).get_config() == (
        layer.get_config()
    )


@pytest.mark.parametrize("freezes", [False, True])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' save
def test_masks_and_frozen_values_are_saved_with_the_weights(freezes, tmp_path):
    def made():
        layers = [LotteryConv2D(2, freezes=freezes), keras.layers.Flatten()]
        layers.append(LotteryLinear(3, freezes=freezes))
        return keras.Sequential([keras.Input((4, 4, 1)), *layers])

    saved, loaded = made(), made()
    for layer in (saved.layers[0], saved.layers[2]):
        layer.prune(np.arange(np.prod(layer.mask.shape)).reshape(layer.mask.shape) % 2 == 0)
    saved.save_weights(tmp_path / "all.weights.h5")
    loaded.load_weights(tmp_path / "all.weights.h5")
    for one, other in zip(saved.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_pruned_weights_get_no_gradient_and_stay_zero_in_keras_fit():
    model = built(keras.layers.Flatten(), LotteryLinear(6, activation="relu"), LotteryLinear(3))
    rng = np.random.default_rng(0)
    mask = rng.random((64, 6)) < 0.5
    layer = model.layers[1]
    layer.prune(mask)
    before = layer._kernel.numpy()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(rng.random((90, 8, 8, 1), "float32"), rng.integers(0, 3, 90), epochs=2, verbose=0)
    after = layer._kernel.numpy()
    assert np.all(after[~mask] == 0)
    assert np.mean(after[mask] != before[mask]) > 0.5


def test_frozen_values_are_used_but_not_trained():
    layer = LotteryLinear(2, freezes=True)
    layer.build((None, 3))
    layer._kernel.assign([[1.0, 9], [9, 2], [9, 9]])
    layer.prune(np.array([[True, False], [False, True], [False, False]]))
    layer.frozen.assign([[0.0, 5], [0, 0], [0, 0]])
    assert np.array_equal(
        keras.ops.convert_to_numpy(layer(np.eye(3, dtype="float32"))),
        [
            [1, 5],
            [0, 2],
            [0, 0],
        ],
    )
    assert {v.name for v in layer.trainable_variables} == {"kernel", "bias"}


def test_glorot_initialisation_of_a_convolution_uses_the_fan_of_its_kernel():
    """Defect 11: the deviation must not depend on the size of the image."""
    blueprint = Blueprint.of_sequential(
        keras.Sequential([LotteryConv2D(64, 3), keras.layers.Flatten(), LotteryLinear(10)]),
        (32, 32, 16),
    )
    kernel = blueprint.initial_weights(0)["conv2d_1/kernel"]
    glorot = np.sqrt(2 / (3 * 3 * 16 + 3 * 3 * 64))
    assert kernel.std() == pytest.approx(glorot, rel=0.03)


def test_initial_weights_depend_only_on_the_seed():
    """Defect 4: each trial also draws its own signs."""
    network = keras.Sequential([keras.layers.Flatten(), LotteryLinear(50), LotteryLinear(10)])
    blueprint = Blueprint.of_sequential(network, (8, 8, 1))
    first, again, other = (blueprint.initial_weights(seed)["linear_1/kernel"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.mean(np.sign(first) == np.sign(other)) == pytest.approx(0.5, abs=0.05)


def test_layers_of_a_network_have_different_initial_weights():
    network = keras.Sequential([keras.layers.Flatten(), LotteryLinear(64), LotteryLinear(64)])
    weights = Blueprint.of_sequential(network, (8, 8, 1)).initial_weights(3)
    assert not np.array_equal(weights["linear_1/kernel"], weights["linear_2/kernel"])


def test_the_output_layer_is_the_last_one_or_the_named_one():
    """Defect 7: it is not decided by the order of variables."""
    network = built(keras.layers.Flatten(), LotteryLinear(5, name="a"), LotteryLinear(3, name="b"))
    assert [place.role for place in prunable(network)] == ["dense", "output"]
    assert [place.role for place in prunable(network, "a")] == ["output", "dense"]
    with pytest.raises(SpecError, match="no lottery layer is called 'c'; there are: a, b"):
        prunable(network, "c")


def test_names_do_not_depend_on_earlier_networks():
    configs = []
    for _ in range(2):
        layers = [LotteryConv2D(2), keras.layers.PReLU(), keras.layers.Flatten(), LotteryLinear(3)]
        network = keras.Sequential(layers)
        configs.append(Blueprint.of_sequential(network, (8, 8, 1)).key)
    assert configs[0] == configs[1]


def named(*layers: keras.Layer) -> list[str]:
    blueprint = Blueprint.of_sequential(keras.Sequential(list(layers)), (8, 8, 1))
    return [layer["config"]["name"] for layer in blueprint.layers]


def test_given_names_are_kept_and_not_given_to_other_layers():
    """The name of an output layer must select that layer."""
    turned = [LotteryLinear(5, name="linear_2"), LotteryLinear(3, name="linear_1")]
    assert named(keras.layers.Flatten(), *turned) == ["flatten_1", "linear_2", "linear_1"]
    assert named(keras.layers.Flatten(name="linear_1"), LotteryLinear(5), LotteryLinear(3)) == [
        "linear_1",
        "linear_2",
        "linear_3",
    ]
