"""The arguments of the library in a notebook: networks, data, training, numbers."""

import warnings

import keras
import numpy as np
import pytest

from lth import (
    ArrayDataset,
    LotteryConv2D,
    LotteryLinear,
    LotteryModel,
    LotteryRobust,
)
from lth.core.npz import encode
from tests.lth.own import OWN, RNG, SHORT, X, Y, refused, small
from tests.lth.small import TRAINING, network, same


def test_arrays_of_the_user_can_be_a_data_set():
    one, again = (LotteryModel(small(), ArrayDataset(X, Y), SHORT) for _ in range(2))
    for model in (one, again):
        _, ticket = model.one_shot(0.5)
        assert ticket.final.test.accuracy > 0.52
    assert same(one.trained_levels[1].weights, again.trained_levels[1].weights)
    turned = LotteryModel(small(), ArrayDataset(X[::-1], Y[::-1]), SHORT)
    assert turned.context.data.identity != one.context.data.identity


def test_the_error_for_plain_arrays_names_array_dataset():
    for given in (X, (X, Y), [X, Y]):
        refused(r"arrays are given as lth.ArrayDataset\(x_train", LotteryModel, small(), given)


@pytest.mark.parametrize(
    ("layers", "complaint"),
    [
        ([LotteryLinear(3)], r"gives \[3\] for a sample, but the data have 2 classes"),
        ([LotteryLinear(2, "softmax")], "ends in 'softmax', but the loss is taken of logits"),
        ([LotteryLinear(2), keras.layers.Softmax()], "ends in 'softmax'"),
        ([LotteryLinear(2), keras.layers.Activation("softmax")], "ends in 'softmax'"),
    ],
)
def test_a_network_must_end_with_logits_for_all_classes(layers, complaint):
    refused(complaint, LotteryModel, keras.Sequential(layers), OWN)
    images = keras.Sequential([LotteryLinear(10)])
    refused("a Flatten layer may be missing", LotteryModel, images, "digits")


def test_lottery_layers_within_another_layer_are_refused():
    """Otherwise they are trained but never pruned."""
    block = keras.Sequential([LotteryLinear(16, "relu")], name="block")
    hidden = keras.Sequential([block, LotteryLinear(2)])
    refused(r"'block' \(Sequential\) has lottery layers within it", LotteryModel, hidden, OWN)


def test_the_output_layer_is_the_last_layer_even_if_it_cannot_be_pruned():
    dense = keras.Sequential([LotteryLinear(16, "relu"), keras.layers.Dense(2)])
    for layers, roles in ((small(), ["dense", "output"]), (dense, ["dense"])):
        model = LotteryModel(layers, OWN, SHORT)
        assert [place.role for place in model.context.places] == roles
    named = LotteryModel(dense, OWN, SHORT, output_layer="linear_1")
    assert [place.role for place in named.context.places] == ["output"]


def test_a_network_can_be_given_by_name_and_is_trained_as_in_the_papers():
    model = LotteryModel("conv-6", ArrayDataset(RNG.random((120, 8, 8)), np.arange(120) % 2))
    assert model.context.training.optimizer.learning_rate == 3e-4
    assert model.context.papers.convolution_rate == 0.75
    rate = {"kind": "sgd", "learning_rate": 0.1}
    model = LotteryModel("conv-6", "digits", {"optimizer": rate})
    assert model.context.training.optimizer.kind == "sgd"
    refused("network: 'lenet' is not known", LotteryModel, "lenet")
    refused(
        r"'conv-2' does not fit the data: layer 0: .* \[6\] reaches it", LotteryModel, "conv-2", OWN
    )
    refused("Dense is not a keras.Sequential", LotteryModel, keras.layers.Dense(2))
    refused("list is not a keras.Sequential; give", LotteryModel, [LotteryLinear(2)])


def test_convolutions_of_a_named_network_are_pruned_at_the_rate_of_the_papers():
    short = {"duration": "1it", "batch_size": 4}
    data = ArrayDataset(RNG.random((20, 8, 8)), np.arange(20) % 2)
    by_hand, at_once = LotteryModel("conv-6", data, short), LotteryModel("conv-6", data, short)
    by_hand.train()
    by_hand.prune(sparsity=0.4)
    at_once.one_shot(0.4)
    for model in (by_hand, at_once):
        assert model.masks["conv2d_3"].mean() == pytest.approx(0.7, abs=1e-4)
        assert model.masks["linear_1"].mean() == pytest.approx(0.6, abs=1e-4)


def test_training_that_does_not_fit_the_data_is_refused_before_it_starts():
    refused("batch of 500 is more than the 216", LotteryModel, small(), OWN, {"batch_size": 500})
    refused(
        "warm-up of '20ep' is longer",
        LotteryModel,
        small(),
        OWN,
        {"duration": "50it", "warmup": "20ep"},
    )
    refused("'flip' moves pictures", LotteryModel, small(), OWN, {"augmentation": "flip"})
    refused("training/duration: '9 epochs'", LotteryModel, small(), OWN, {"duration": "9 epochs"})


def test_data_sets_are_read_from_the_folder_in_the_environment(tmp_path, monkeypatch):
    images, labels = np.zeros((60_000, 28, 28), np.uint8), np.zeros(60_000, np.uint8)
    images[0, 0, 0], labels[0] = 7, 9
    file = {
        "x_train": images,
        "y_train": labels,
        "x_test": images[:10_000],
        "y_test": labels[:10_000],
    }
    (tmp_path / "mnist.npz").write_bytes(encode(file))
    monkeypatch.setenv("LTH_DATASETS_DIR", str(tmp_path))
    model = LotteryModel(network(), "mnist", TRAINING)
    assert int(model.context.data.x_train[0, 0, 0, 0]) == 7


def test_images_with_the_channels_first_get_a_warning_under_convolutions():
    x, y = np.zeros((40, 3, 8, 8), np.uint8), np.arange(40) % 2
    images = ArrayDataset(x, y)
    layers = [keras.layers.Flatten(), LotteryLinear(2)]
    with pytest.warns(UserWarning, match=r"samples of \[3, 8, 8\] look like images whose channels"):
        LotteryModel(keras.Sequential([LotteryConv2D(2, 3), *layers]), images, SHORT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LotteryModel(keras.Sequential([*layers]), images, SHORT)
        last = ArrayDataset(np.moveaxis(x, 1, -1), y)
        LotteryModel(keras.Sequential([LotteryConv2D(2, 3), *layers]), last, SHORT)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"seed": -1}, "seed is -1; expected a whole number from 0 on"),
        ({"seed": 0.5}, "seed is 0.5; expected a whole number"),
        ({"trial": 0}, "trial is 0; expected a whole number from 1 on"),
        ({"keep_weights_at": 5}, "keep_weights_at/0: 5 is not a duration"),
    ],
)
def test_numbers_that_are_not_whole_or_out_of_range_are_refused(given, complaint):
    refused(complaint, LotteryModel, small(), OWN, SHORT, **given)


def test_whole_numbers_of_numpy_are_accepted():
    refused("trials is '3'; expected a whole number", LotteryRobust, small(), trials="3")
    refused("validation is 0.1; expected a whole number", ArrayDataset, X, Y, validation=0.1)
    one, other = (LotteryModel(small(), OWN, SHORT, seed=seed) for seed in (3, np.int64(3)))
    assert same(one.initial_weights, other.initial_weights)


def test_errors_of_a_network_are_reported_before_the_training():
    refused(
        r"does not take samples of \[6\]: .*conv2d_1",
        LotteryModel,
        keras.Sequential([LotteryConv2D(3), LotteryLinear(2)]),
        OWN,
    )
    compiled = small()
    compiled.compile("sgd")
    refused("compiled, but its optimizer and loss would not be used", LotteryModel, compiled, OWN)
