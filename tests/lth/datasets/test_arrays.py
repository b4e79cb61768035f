"""A user's own arrays as a data set."""

import doctest

import numpy as np
import pytest

from lth.core.errors import SpecError
from lth.datasets import ArrayDataset, arrays
from lth.datasets.preparation import affine, split

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (50, 6, 6), np.uint8)
Y = np.arange(50) % 3
DIGESTS = {
    "bytes": "d10df11a3c69782d",
    "floats": "59b686052b3f8244",
    "validation": "aa4e805b6e81b470",
    "tests": "43e7b53ef624057f",
}


def refused(complaint, *args, **fields):
    with pytest.raises(SpecError, match=complaint):
        ArrayDataset(*args, **fields)


def test_the_example_in_the_docstring_is_correct():
    assert doctest.testmod(arrays) == (0, 3)


def test_training_samples_without_a_test_set_are_split():
    data = ArrayDataset(X, Y)
    facts, loaded = data.facts, data.load()
    assert (facts.shape, facts.classes, facts.train, facts.test) == ((6, 6, 1), 3, 40, 10)
    assert data.validation == 4
    assert loaded.x_train.dtype == np.uint8
    assert loaded.y_train.dtype == np.int32
    assert loaded.scale == 255
    again = ArrayDataset(X, Y, validation=7)
    assert again.validation == 7
    assert again.load().digest == loaded.digest
    assert ArrayDataset(X, Y[::-1]).load().digest != loaded.digest


def test_a_given_test_set_is_used():
    data = ArrayDataset(X[:30], Y[:30], X[30:], Y[30:])
    assert (data.facts.train, data.facts.test) == (30, 20)
    np.testing.assert_array_equal(data.load().x_test[..., 0], X[30:])


def test_given_validation_samples_are_used_for_every_seed():
    data = ArrayDataset(X[:30], Y[:30], X[30:35], Y[30:35], X[35:], Y[35:])
    assert data.validation == 15
    for seed in (0, 1):
        rows = split(data.load(), data.validation, seed)
        np.testing.assert_array_equal(data.load().x_train[rows.validation][..., 0], X[35:])
        np.testing.assert_array_equal(data.load().y_train[rows.train], Y[:30])
    drawn = ArrayDataset(np.concatenate([X[:30], X[35:]]), np.concatenate([Y[:30], Y[35:]]),
                         X[30:35], Y[30:35], validation=15)  # fmt: skip
    assert drawn.load().digest != data.load().digest


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4", ">f8", np.longdouble])
def test_floats_become_float32(dtype):
    loaded = ArrayDataset((X / 255).astype(dtype), Y).load()
    assert loaded.x_train.dtype == np.float32
    assert loaded.x_train.dtype.isnative
    assert affine(loaded, "unit", np.arange(9, dtype=np.int32))[0] == 1


def test_floats_outside_the_unit_interval_need_another_normalisation():
    wide = X.astype(np.float32)
    refused("floats from 0 to 25., but normalisation 'unit' takes floats from 0 to 1", wide, Y)
    refused("floats from -", X / 255 - 0.5, Y)
    refused("normalisation: .*'unit', 'standard' or 'none'", X, Y, normalisation="units")
    for choice in ("standard", "none"):
        assert ArrayDataset(wide, Y, normalisation=choice).normalisation == choice
    factor, offset = affine(ArrayDataset(X, Y).load(), "none", np.arange(9, dtype=np.int32))
    assert (factor, offset) == (1, 0)


@pytest.mark.parametrize(
    ("x", "y", "complaint"),
    [
        (X.astype(np.int64), Y, "x_train is int64; expected uint8"),
        (X[0, 0], Y, r"x_train has the shape \[6\]; expected \[samples, features\]"),
        (X[:0], Y[:0], r"x_train has the shape \[0, 6, 6\]"),
        (np.full((50, 2), np.nan), Y, "x_train holds 100 values that are NaN"),
        (np.full((50, 2), 1e39), Y, "x_train holds 100 values that are .* infinite as float32"),
        (X, Y[:49], r"y_train is int64 \[49\]; expected 50 whole numbers"),
        (X, Y / 2, r"y_train is float64 \[50\]; expected 50 whole numbers"),
        (X, np.eye(3, dtype=int)[Y], r"y_train is int64 \[50, 3\].*give the argmax"),
        (X, Y - 1, "y_train holds labels from -1 to 1; expected 0"),
        (X, Y + 2**32, "y_train holds labels from 4294967296 to 4294967298; expected 0"),
        (X, np.full(50, 2**63, np.uint64), "y_train holds labels from 9223372036854775808"),
        (X, Y > 0, "y_train is bool"),
        ([[0.5], [0.5, 0.5]] * 25, Y, "x_train is a list that is not an array of numbers"),
        (X, [[0], [0, 1]] * 25, "y_train is a list that is not an array of numbers"),
        (np.array([None] * 50), Y, "x_train is object; expected uint8"),
        (np.ma.masked_less(X / 255, 0.5), Y, "x_train has masked values; fill them in"),
        (X, np.ma.masked_equal(Y, 1), "y_train has masked values"),
        (3.5, Y, r"x_train has the shape \[\]"),
        (X, 1, r"y_train is int64 \[\]; expected 50 whole numbers"),
        (X, Y * 0, "all labels are 0; expected two classes"),
        (X[:4], Y[:4], "of 4 samples none can be set aside for testing; give 5"),
        (None, Y, "x_train is missing; x_train and y_train are given together"),
    ],
)
def test_arrays_that_are_not_a_data_set_are_refused(x, y, complaint):
    refused(complaint, x, y)


def test_incomplete_or_inconsistent_parts_are_refused():
    refused("y_test is missing; x_test and y_test are given together", X, Y, X)
    refused("x_validation is missing", X, Y, y_validation=Y)
    refused(r"x_test is uint8 \[5, 6, 1\], but one of x_train is uint8 \[6, 6, 1\]",
            X, Y, X[:, 1:], Y)  # fmt: skip
    refused("a sample of x_validation is float32", X, Y, x_validation=X / 255.0, y_validation=Y)
    refused("7 samples .* are asked for, but x_validation is given too",
            X, Y, x_validation=X, y_validation=Y, validation=7)  # fmt: skip
    refused("40 samples for validation cannot be taken from 40; give 1 to 39", X, Y, validation=40)


def test_accepted_arrays_keep_their_digests():
    """Digests are part of the identity of trunks, so they must not change."""
    x, y = np.arange(60, dtype=np.uint8).reshape(10, 3, 2), np.arange(10) % 2
    loaded = {
        "bytes": ArrayDataset(x, y),
        "floats": ArrayDataset(x.astype(np.float64) / 64, y),
        "validation": ArrayDataset(x, y, x_validation=x[:3], y_validation=y[:3]),
        "tests": ArrayDataset(x, y, x[:3], y[:3]),
    }
    assert {name: data.load().digest[:16] for name, data in loaded.items()} == DIGESTS
    for order in (np.asfortranarray(x), x[::-1][::-1], x.tolist()):
        assert ArrayDataset(np.asarray(order, np.uint8), y).load().digest[:16] == DIGESTS["bytes"]
