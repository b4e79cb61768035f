"""A training step: augmented images, batch statistics, noise, penalties."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lth.datasets import Digits
from lth.engine.augmentation import augmented
from lth.engine.device import DeviceData, Split
from lth.engine.layers import LotteryLinear
from lth.engine.network import Blueprint
from lth.engine.program import Program, Totals, program
from lth.experiment.context import Context
from lth.spec.document import parse_spec
from lth.training.optimizers import Sgd
from tests.lth.small import network, same

SGD = Sgd(kind="sgd", learning_rate=1.0)
RATES = np.zeros(6, np.float32)
"""Learning rates of steps that change no trained weight."""


def loaded(layers: keras.Sequential, augmentation="none") -> Program:
    blueprint = Blueprint.of_sequential(layers, (8, 8, 1))
    compiled = program(blueprint, SGD, augmentation)
    masks = {place.name: np.ones(place.layer.mask.shape, bool) for place in compiled.places}
    compiled.load(blueprint.initial_weights(1), masks)
    return compiled


@pytest.fixture(scope="module")
def data() -> DeviceData:
    standard = Digits(kind="digits", normalisation="standard")
    spec = parse_spec({"kind": "model", "dataset": standard.model_dump()})
    return Context.of_spec(spec, 5, spec.dataset.load(None)).data


def losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    logits = logits - logits.max(axis=1, keepdims=True)
    chosen = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    return np.log(np.exp(logits).sum(axis=1)) - chosen


def by_hand(weights, images: np.ndarray) -> np.ndarray:
    """The logits of `network`, computed with NumPy."""
    hidden = images.reshape(len(images), 64) @ weights["linear_1/kernel"]
    return np.maximum(hidden, 0) @ weights["linear_2/kernel"]


def test_images_are_normalised_by_the_training_samples_only(data):
    seen = data.x_train.numpy()[data.train].astype(np.float64)
    assert data.factor.numpy() == pytest.approx(1 / seen.std(), rel=1e-5)
    assert data.offset.numpy() == pytest.approx(-seen.mean() / seen.std(), rel=1e-5)


def test_a_step_augments_its_images_and_then_normalises_them(data):
    compiled = loaded(network(), "flip_crop")
    order = data.order(100, 1, 0, 0)
    totals = compiled.train(data, order, RATES, 2, 4, Totals(), 77)
    expected = 0.0
    for step in (2, 3):
        stored = tf.cast(tf.gather(data.x_train, order[step]), tf.float32)
        images = augmented(stored, "flip_crop", tf.constant(77, tf.uint32), tf.constant(step))
        logits = by_hand(compiled.weights, np.asarray(images * data.factor + data.offset))
        expected += losses(logits, data.y_train.numpy()[order[step]]).mean()
    assert totals.loss == pytest.approx(expected, rel=1e-4)


def test_evaluated_images_are_not_augmented(data):
    plain, moving = loaded(network()), loaded(network(), "flip_crop")
    assert plain is not moving
    one, other = (compiled.evaluate(data, data.test) for compiled in (plain, moving))
    assert one.loss == pytest.approx(other.loss, rel=1e-5)
    assert one.accuracy == other.accuracy


def test_samples_of_an_incomplete_last_batch_count_once():
    arrays = Digits(kind="digits").load(None)
    rng = np.random.default_rng(0)
    x, y = rng.random((1_300, 8, 8, 1), np.float32), rng.integers(0, 10, 1_300).astype(np.int32)
    rows = np.arange(1, 1_300, dtype=np.int32)
    split = Split.of(tf.constant(x), tf.constant(y), rows, 1_000)
    assert split.batches.shape == split.counted.shape == (2, 1_000)
    data = DeviceData.of(arrays, 180, 5, "none", 10, 1_000)
    compiled = loaded(network())
    scores, logits = compiled.evaluate(data, split), by_hand(compiled.weights, x[rows])
    ranks = np.argsort(-logits, axis=1, kind="stable")
    assert scores.loss == pytest.approx(losses(logits, y[rows]).mean(), rel=1e-4)
    assert scores.accuracy == pytest.approx(np.mean(ranks[:, 0] == y[rows]))
    assert scores.top5 == pytest.approx(np.mean((ranks[:, :5] == y[rows, None]).any(axis=1)))


def test_top5_is_measured_only_with_more_than_five_classes():
    arrays = Digits(kind="digits").load(None)
    few, more = (DeviceData.of(arrays, 180, 5, "unit", classes, 1_000) for classes in (5, 6))
    compiled = loaded(network())
    assert compiled.evaluate(few, few.validation).top5 is None
    assert compiled.evaluate(more, more.validation).top5 is not None


def test_each_step_has_its_own_learning_rate(data):
    compiled, order = loaded(network()), data.order(100, 1, 0, 0)
    compiled.train(data, order, np.float32([0.5, 0, 0, 0, 0, 0]), 0, 3, Totals())
    three = compiled.weights
    compiled = loaded(network())
    compiled.train(data, order, np.float32([0.5, 9, 9, 9, 9, 9]), 0, 1, Totals())
    assert same(three, compiled.weights)


def test_batch_statistics_and_noise_change_in_training_and_not_in_evaluation(data):
    noisy = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.BatchNormalization(momentum=0.75),
            keras.layers.Dropout(0.5),
            LotteryLinear(10),
        ]
    )
    compiled, order = loaded(noisy), np.repeat(data.order(100, 1, 0, 0)[:1], 6, axis=0)
    stored = data.x_train.numpy()[order[0]].reshape(100, 64)
    images = stored * data.factor.numpy() + data.offset.numpy()
    first = compiled.train(data, order, RATES, 0, 1, Totals())
    found = compiled.weights
    mean, variance = (found[f"batch_normalization_1/moving_{of}"] for of in ("mean", "variance"))
    assert mean == pytest.approx(0.25 * images.mean(axis=0), abs=1e-5)
    assert variance == pytest.approx(0.75 + 0.25 * images.var(axis=0), abs=1e-4)
    compiled.evaluate(data, data.test)
    compiled.gradients(data)
    assert same(compiled.weights, found)
    again = compiled.train(data, order, RATES, 1, 2, Totals())
    assert first.loss != again.loss


def test_penalties_are_part_of_the_loss_and_revive_no_pruned_weight(data):
    """An orthogonal penalty has a gradient at weights that are zero."""
    penalty = keras.regularizers.OrthogonalRegularizer(10.0)
    layers = [keras.layers.Flatten(), LotteryLinear(10, kernel_regularizer=penalty)]
    compiled, order = loaded(keras.Sequential(layers)), data.order(100, 1, 0, 0)
    mask = np.random.default_rng(0).random((64, 10)) < 0.5
    compiled.load(compiled.weights, {"linear_1": mask})
    kernel, rows = compiled.weights["linear_1/kernel"], order[0]
    images = data.x_train.numpy()[rows] * data.factor.numpy() + data.offset.numpy()
    loss = losses(images.reshape(100, 64) @ kernel, data.y_train.numpy()[rows]).mean()
    totals = compiled.train(data, order, np.full(6, 0.1, np.float32), 0, 1, Totals())
    assert totals.loss == pytest.approx(loss + float(penalty(kernel)), rel=1e-4)
    trained = compiled.weights["linear_1/kernel"]
    assert not trained[~mask].any()
    assert not np.array_equal(trained, kernel)
