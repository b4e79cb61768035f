"""The compiled functions, compared with plain NumPy and plain Keras."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from lth.engine.device import DeviceData
from lth.engine.layers import LotteryConv2D, LotteryLinear
from lth.engine.network import Blueprint
from lth.engine.program import Program, Totals, program
from lth.experiment.context import Context
from lth.spec.document import parse_spec
from lth.training.optimizers import Adam, Sgd
from tests.lth.small import network, same

SPEC = parse_spec({"kind": "model", "training": {"batch_size": 100}})


@pytest.fixture(scope="module")
def data() -> DeviceData:
    return Context.of_spec(SPEC, 5, SPEC.dataset.load(None)).data


@pytest.fixture(scope="module")
def blueprint() -> Blueprint:
    return Blueprint.of_sequential(network(), (8, 8, 1))


@pytest.fixture(scope="module")
def convolving() -> Blueprint:
    layers = [LotteryConv2D(4, activation="relu"), keras.layers.Flatten(), LotteryLinear(10)]
    return Blueprint.of_sequential(keras.Sequential(layers), (8, 8, 1))


either = pytest.mark.parametrize("which", ["blueprint", "convolving"])


def loaded(blueprint: Blueprint, optimizer, masks=None):
    compiled = program(blueprint, optimizer)
    weights = blueprint.initial_weights(1)
    whole = {p.name: np.ones(weights[p.kernel].shape, bool) for p in compiled.places}
    compiled.load(weights, masks or whole)
    return compiled, weights


def test_one_step_of_gradient_descent_agrees_with_numpy(data, blueprint):
    compiled, weights = loaded(blueprint, Sgd(kind="sgd", learning_rate=1.0))
    order = data.order(100, 1, 0, 0)
    compiled.train(data, order, np.full(len(order), 0.5, np.float32), 0, 1, Totals())
    x = data.x_train.numpy()[order[0]].reshape(100, 64) / 16.0
    y = np.eye(10)[data.y_train.numpy()[order[0]]]
    hidden = x @ weights["linear_1/kernel"]
    logits = np.maximum(hidden, 0) @ weights["linear_2/kernel"]
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    by_logits = (share - y) / 100
    by_hidden = (by_logits @ weights["linear_2/kernel"].T) * (hidden > 0)
    new = compiled.weights
    assert new["linear_2/kernel"] == pytest.approx(
        weights["linear_2/kernel"] - 0.5 * np.maximum(hidden, 0).T @ by_logits, abs=1e-6
    )
    assert new["linear_1/kernel"] == pytest.approx(
        weights["linear_1/kernel"] - 0.5 * x.T @ by_hidden, abs=1e-6
    )
    assert new["linear_1/bias"] == pytest.approx(-0.5 * by_hidden.sum(axis=0), abs=1e-6)


@either
def test_training_agrees_with_keras_on_the_same_batches(data, which, request):
    blueprint = request.getfixturevalue(which)
    compiled, weights = loaded(blueprint, Adam(kind="adam", learning_rate=1.0))
    order = data.order(100, 1, 0, 0)
    totals = compiled.train(
        data, order, np.full(len(order), 0.01, np.float32), 0, len(order), Totals()
    )
    model = blueprint.build()
    for path, variable in zip(weights, model.trainable_variables, strict=True):
        variable.assign(weights[path])
    model.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x, y = data.x_train.numpy() / np.float32(16), data.y_train.numpy()
    losses = [float(model.train_on_batch(x[rows], y[rows])) for rows in order[:1]]
    for rows in order[1:]:
        model.train_on_batch(x[rows], y[rows])
    for path, variable in zip(weights, model.trainable_variables, strict=True):
        assert compiled.weights[path] == pytest.approx(variable.numpy(), abs=2e-4)
    assert totals.steps == len(order)
    assert losses[0] == pytest.approx(2.3, abs=0.5)


@either
def test_several_short_calls_give_the_bytes_of_one_call(data, which, request):
    blueprint = request.getfixturevalue(which)
    ends = []
    for cuts in ([0, 12], [0, 1, 5, 12]):
        compiled, _ = loaded(blueprint, Adam(kind="adam", learning_rate=1.0))
        order, totals = data.order(100, 1, 0, 0), Totals()
        rates = np.full(len(order), 0.01, np.float32)
        for first, last in pairwise(cuts):
            totals = compiled.train(data, order, rates, first, last, totals)
        ends.append((compiled.weights, compiled.slots, totals))
    assert same(ends[0][0], ends[1][0])
    assert same(ends[0][1], ends[1][1])
    assert ends[0][2] == ends[1][2]


def test_pruned_weights_stay_exactly_zero_with_momentum_and_decay(data, blueprint):
    optimizer = Adam(kind="adam", learning_rate=1.0, weight_decay=0.1)
    rng = np.random.default_rng(0)
    masks = {"linear_1": rng.random((64, 24)) < 0.3, "linear_2": rng.random((24, 10)) < 0.5}
    compiled, _ = loaded(blueprint, optimizer, masks)
    order = data.order(100, 1, 0, 0)
    compiled.train(data, order, np.full(len(order), 0.01, np.float32), 0, 10, Totals())
    for name, mask in masks.items():
        kernel = compiled.weights[f"{name}/kernel"]
        assert np.all(kernel[~mask] == 0)
        assert np.mean(kernel[mask] != 0) > 0.9


def test_scores_agree_with_numpy(data, blueprint):
    compiled, weights = loaded(blueprint, Adam(kind="adam", learning_rate=1.0))
    scores = compiled.evaluate(data, data.validation)
    rows = data.validation.batches.numpy().ravel()[data.validation.counted.numpy().ravel() > 0]
    x, y = data.x_train.numpy()[rows].reshape(-1, 64) / 16.0, data.y_train.numpy()[rows]
    logits = np.maximum(x @ weights["linear_1/kernel"], 0) @ weights["linear_2/kernel"]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ranks = np.argsort(-logits, axis=1, kind="stable")
    assert data.validation.samples == len(rows) == 180
    assert scores.loss == pytest.approx(-np.log(chances[np.arange(180), y]).mean(), rel=1e-5)
    assert scores.accuracy == pytest.approx(np.mean(ranks[:, 0] == y))
    assert scores.top5 == pytest.approx(np.mean((ranks[:, :5] == y[:, None]).any(axis=1)))


def test_equal_logits_count_only_for_the_lowest_class(data, blueprint):
    compiled, weights = loaded(blueprint, Adam(kind="adam", learning_rate=1.0))
    compiled.swap({path: np.zeros_like(array) for path, array in weights.items()})
    labels = data.y_train.numpy()[
        data.validation.batches.numpy().ravel()[data.validation.counted.numpy().ravel() > 0]
    ]
    scores = compiled.evaluate(data, data.validation)
    assert scores.accuracy == pytest.approx(np.mean(labels == 0))
    assert scores.top5 == pytest.approx(np.mean(labels < 5))


def test_gradients_are_those_of_the_mean_training_loss(data, blueprint):
    compiled, weights = loaded(blueprint, Adam(kind="adam", learning_rate=1.0))
    gradient = compiled.gradients(data)["linear_2/kernel"]
    x = data.x_train.numpy()[data.train].reshape(-1, 64) / 16.0
    y = np.eye(10)[data.y_train.numpy()[data.train]]
    hidden = np.maximum(x @ weights["linear_1/kernel"], 0)
    logits = hidden @ weights["linear_2/kernel"]
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert gradient == pytest.approx(hidden.T @ (share - y) / len(x), abs=1e-6)


def test_a_program_is_shared_by_learning_rates_but_not_by_optimizers(blueprint):
    adam = program(blueprint, Adam(kind="adam", learning_rate=0.1))
    assert program(blueprint, Adam(kind="adam", learning_rate=0.2)) is adam
    assert program(blueprint, Adam(kind="adam", learning_rate=0.1, beta_1=0.5)) is not adam
    assert program(blueprint, Sgd(kind="sgd", learning_rate=0.1)) is not adam


def test_xla_compiles_dense_networks_and_leaves_convolutions_on_a_cpu_to_tensorflow(
    blueprint, convolving
):
    assert program(blueprint, Adam(kind="adam", learning_rate=0.1)).xla
    assert not program(convolving, Adam(kind="adam", learning_rate=0.1)).xla


def test_names_in_a_state_do_not_depend_on_earlier_programs(blueprint):
    optimizer = Adam(kind="adam", learning_rate=0.1)
    one, other = Program(blueprint, optimizer), Program(blueprint, optimizer)
    assert one.slots.keys() == other.slots.keys()
    assert one.weights.keys() == other.weights.keys()
