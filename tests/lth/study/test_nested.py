"""Training of networks with nested layers: equal seeds give equal bytes, from every checkpoint."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from lth import ArrayDataset, LotteryConv2D, LotteryLinear, LotteryModel, SpecError, Training
from tests.lth.small import Recorder, same

RNG = np.random.default_rng(0)
IMAGES = ArrayDataset(RNG.random((120, 8, 8, 3)).astype("f4"), np.arange(120) % 2)
SEQUENCES = ArrayDataset(RNG.random((120, 5, 6)).astype("f4"), np.arange(120) % 2)
SHORT = Training.model_validate({"duration": "8it", "batch_size": 20, "evaluate_every": "3it"})


def _normalised(images: keras.KerasTensor) -> keras.KerasTensor:
    return layers.BatchNormalization()(layers.Conv2D(3, 3, padding="same")(images))


def residual() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, layers.Dropout(0.1)(_normalised(inputs) + inputs))


def images(block: keras.Layer) -> keras.Sequential:
    return keras.Sequential([block, LotteryConv2D(4), layers.Flatten(), LotteryLinear(2)])


def sequences(block: keras.Layer) -> keras.Sequential:
    dense = [LotteryLinear(8, "relu"), LotteryLinear(2)]
    return keras.Sequential([layers.Reshape((5, 6)), block, layers.Flatten(), *dense])


def augmentations() -> keras.Sequential:
    return keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])


def dense_block() -> keras.Sequential:
    return keras.Sequential(
        [
            layers.SpectralNormalization(layers.Dense(8)),
            keras.Sequential([layers.Dense(8, "relu"), layers.Dropout(0.1)]),
        ]
    )


NETWORKS: dict[str, tuple[ArrayDataset, Callable[[], keras.Sequential]]] = {
    "augmentations": (IMAGES, lambda: images(augmentations())),
    "residual block": (IMAGES, lambda: images(residual())),
    "dense blocks": (SEQUENCES, lambda: sequences(layers.TimeDistributed(dense_block()))),
    "recurrent": (SEQUENCES, lambda: sequences(layers.Bidirectional(layers.GRU(3, dropout=0.2)))),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_equal_seeds_give_equal_bytes_and_a_checkpoint_continues_with_them(kind: str) -> None:
    """A checkpoint was refused, because inner layers had other names in each network."""
    data, create = NETWORKS[kind]
    watched = Recorder()
    first = LotteryModel(create(), data, SHORT, seed=1, initial_weights=_choice(kind))
    first.one_shot(0.5, observer=watched)
    again = LotteryModel(create(), data, SHORT, seed=1, initial_weights=_choice(kind))
    again.restore(watched.checkpoints[len(watched.checkpoints) // 2])
    again.one_shot(0.5)
    other = LotteryModel(create(), data, SHORT, seed=2, initial_weights=_choice(kind))
    other.one_shot(0.5)

    one, repeated, different = (model.trained_levels[-1].weights for model in (first, again, other))
    assert same(one, repeated)
    assert one.keys() == different.keys()
    assert not any(np.array_equal(one[each], different[each]) for each in one if "kernel" in each)


def test_layers_that_xla_cannot_compile_are_trained_without_it() -> None:
    """They ended in TensorFlow's own error, in the middle of a training."""
    network = keras.Sequential([layers.RandomZoom(0.1), layers.Flatten(), LotteryLinear(2)])
    model = LotteryModel(network, IMAGES, SHORT)
    model.train()
    assert not model.result().environment.xla


@keras.saving.register_keras_serializable("tests")
class Unseeded(keras.Layer):
    def call(self, inputs, training=False):
        return inputs + keras.random.normal(tf.shape(inputs)) if training else inputs


@keras.saving.register_keras_serializable("tests")
class Failing(keras.Layer):
    def call(self, inputs, training=False):
        if training:
            inputs = tf.ensure_shape(tf.numpy_function(_fail, [inputs], tf.float32), inputs.shape)
        return inputs


def _fail(_: np.ndarray) -> None:
    raise ValueError("the device is missing")


@pytest.mark.parametrize(
    ("layer", "complaint"),
    [
        (Unseeded(name="noise"), r"'noise' \(Unseeded\) draws random numbers without a seed"),
        (Failing(name="rare"), r"'rare' \(Failing\) cannot be trained on this CPU: .*is missing"),
    ],
)
def test_a_layer_that_cannot_be_trained_is_refused_before_the_training(
    layer: keras.Layer, complaint: str
) -> None:
    block = keras.Sequential([layers.Flatten(), layer, LotteryLinear(2)])
    with pytest.raises(SpecError, match=complaint):
        LotteryModel(block, IMAGES, SHORT)


def _choice(kind: str) -> str | None:
    """A functional block is built as soon as it is made."""
    return "redraw" if kind == "residual block" else None
