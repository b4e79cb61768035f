"""Deterministic operations on a GPU, as far as they can be tested without one."""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import product
from unittest.mock import Mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

from lth.datasets import Arrays
from lth.engine import device, layer_configs, program, trial_step
from lth.engine.layers import LotteryConv2D, LotteryLinear
from lth.engine.network import Blueprint
from lth.engine.pooling import SlicedMaxPooling2D
from lth.engine.program import Program, Totals
from lth.experiment.context import Context
from lth.spec.document import parse_spec
from lth.training.optimizers import Sgd


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine treats this CPU as a GPU."""
    for module in (device, layer_configs, program, trial_step):
        monkeypatch.setattr(module, "on_cpu", lambda: False)
    yield
    config.disable_op_determinism()


def layers() -> keras.Sequential:
    return keras.Sequential(
        [
            LotteryConv2D(4, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(),
            keras.layers.Dropout(0.2),
            keras.layers.Flatten(),
            LotteryLinear(10),
        ]
    )


@pytest.mark.usefixtures("as_on_a_gpu")
def test_training_on_a_gpu_compiles_with_deterministic_operations() -> None:
    """TensorFlow refuses operations that cannot be deterministic, and XLA does not autotune."""
    spec = parse_spec({"kind": "model", "training": {"batch_size": 100}})
    data = Context.of_spec(spec, 5, spec.dataset.load(None)).data
    blueprint = Blueprint.of_sequential(layers(), (8, 8, 1))
    compiled = Program(blueprint, Sgd(kind="sgd", learning_rate=0.1), "flip_crop")
    assert compiled.xla
    assert config.is_op_determinism_enabled()

    masks = {place.name: place.layer.mask.numpy() for place in compiled.places}
    compiled.load(blueprint.initial_weights(1), masks)
    order = data.order(100, 1, 0, 0)
    totals = compiled.train(data, order, np.full(len(order), 0.1, np.float32), 0, 5, Totals())

    assert np.isfinite(totals.loss)
    assert np.isfinite(compiled.evaluate(data, data.validation).loss)
    assert set(compiled.gradients(data)) == {place.kernel for place in compiled.places}


def test_a_cpu_keeps_the_default_operations() -> None:
    device.have_sums_in_one_order()
    assert not config.is_op_determinism_enabled()
    assert not any(
        isinstance(layer, SlicedMaxPooling2D)
        for layer in Blueprint.of_sequential(layers(), (8, 8, 1)).build().layers
    )


@pytest.mark.parametrize(
    ("size", "strides", "padding"), [*product((2, 3, (1, 3)), (None, 1, (2, 3)), ("valid", "same"))]
)
def test_pooling_on_a_gpu_has_the_values_and_the_gradient_of_keras(size, strides, padding) -> None:
    images = np.random.default_rng(0).integers(-3, 3, (2, 7, 8, 3)).astype(np.float32)
    wanted, found = (
        gradient(kind(size, strides, padding), images)
        for kind in (keras.layers.MaxPooling2D, SlicedMaxPooling2D)
    )
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(one, other)


def gradient(layer: keras.Layer, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The output of a layer for images with many equal values, and its weighted gradient."""
    held = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(held)
        out = layer(held)
        weights = tf.reshape(tf.range(tf.size(out), dtype=tf.float32), tf.shape(out))
        total = tf.reduce_sum(out * weights)
    return out.numpy(), tape.gradient(total, held).numpy()


def test_old_data_sets_leave_the_device_before_a_new_one_is_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "_on_device", OrderedDict())
    sets = [Arrays(*2 * (np.full((50, 4, 4, 1), n, np.uint8), np.zeros(50, np.int32)), 255)
            for n in range(5)]  # fmt: skip
    monkeypatch.setattr(device, "_KEPT_BYTES", int(2.5 * sets[0].nbytes))
    counts: list[int] = []
    made = tf.constant
    monkeypatch.setattr(tf, "constant", lambda x: counts.append(len(device._on_device)) or made(x))

    for arrays in (*sets[:2], sets[0], *sets[2:]):
        assert device._tensors(arrays)[0].numpy()[0, 0, 0, 0] == arrays.x_train[0, 0, 0, 0]

    assert list(device._on_device) == [sets[3].digest, sets[4].digest]
    assert max(counts) == 1, "the device never holds three data sets"
    large = Arrays(*2 * (np.zeros((500, 4, 4, 1), np.uint8), np.zeros(500, np.int32)), 255)
    device._tensors(large)
    assert list(device._on_device) == [large.digest], "a data set over the limit is the only one"


def test_a_missing_gpu_is_reported() -> None:
    assert "sees no GPU" in str(device.gpu_trouble(compute=False))


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_gpu_that_does_not_compute_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.gpu_trouble(compute=False) is None
    assert "CPU:0 in its place" in str(device.gpu_trouble(compute=True))

    monkeypatch.setattr(tf, "ones", Mock(side_effect=tf.errors.InternalError(None, None, "ECC")))
    assert "does not compute: ECC" in str(device.gpu_trouble(compute=True))
