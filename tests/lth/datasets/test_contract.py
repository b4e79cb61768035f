"""The contract of all data sets."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from sklearn.datasets import load_digits

from lth.core.family import kind_of, members
from lth.datasets import Arrays, Dataset, Digits

ADAPTER = TypeAdapter(Dataset)
UPLOADED = {
    "kind": "uploaded",
    "id": "ds_" + "0" * 32,
    "digest": "0" * 64,
    "facts": {"shape": [8, 8, 1], "classes": 3, "train": 100, "test": 20},
}
each_dataset = pytest.mark.parametrize("kind", [kind_of(member) for member in members(Dataset)])


def parsed(kind, **fields):
    filled_in = UPLOADED if kind == "uploaded" else {}
    return ADAPTER.validate_python({"kind": kind, **filled_in, **fields})


@each_dataset
def test_facts_are_known_before_the_data_are_read(kind):
    facts = parsed(kind).facts
    assert min(facts.shape) > 0
    assert facts.classes > 1
    assert facts.train > 0
    assert facts.test > 0


@each_dataset
def test_a_part_of_the_training_samples_is_for_validation(kind):
    dataset = parsed(kind)
    assert 0 < dataset.validation < dataset.facts.train
    with pytest.raises(ValidationError):
        parsed(kind, validation=dataset.facts.train)


def test_defaults_are_those_of_the_papers():
    defaults = {kind: ADAPTER.validate_python(kind) for kind in ("mnist", "cifar10", "cifar100")}
    assert {kind: data.validation for kind, data in defaults.items()} == {
        "mnist": 5_000,
        "cifar10": 5_000,
        "cifar100": 5_000,
    }
    assert defaults["mnist"].normalisation == "unit"
    assert defaults["cifar10"].normalisation == "standard"


@each_dataset
def test_a_data_set_survives_a_json_round_trip(kind):
    dataset = parsed(kind)
    assert ADAPTER.validate_json(ADAPTER.dump_json(dataset)) == dataset


def test_digits_need_no_file():
    dataset = Digits(kind="digits")
    arrays = dataset.load(None)
    assert arrays.x_train.shape == (dataset.facts.train, *dataset.facts.shape)
    assert arrays.x_test.shape == (dataset.facts.test, *dataset.facts.shape)
    assert arrays.x_train.max() == arrays.scale == 16
    assert set(arrays.y_test) == set(range(10))
    assert arrays.digest == dataset.load(None).digest


def test_different_arrays_have_different_digests():
    def digest(x=(1, 2), y=(0, 1), scale=1.0, dtype=np.uint8, shape=(2, 1)):
        samples = np.array(x, dtype).reshape(shape)
        labels = np.array(y, np.int32)
        return Arrays(samples, labels, samples, labels, scale).digest

    others = [
        digest(x=(1, 3)),
        digest(y=(1, 0)),
        digest(scale=2.0),
        digest(dtype=np.int8),
        digest(shape=(2, 1, 1)),
    ]
    assert len({digest(), *others}) == 6
    assert digest() == digest()


def test_the_digits_are_those_of_scikit_learn():
    arrays = Digits(kind="digits").load(None)
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(labels))
    x, y = np.concatenate([arrays.x_test, arrays.x_train]), [*arrays.y_test, *arrays.y_train]
    np.testing.assert_array_equal(x.reshape(-1, 64), pixels[order])
    np.testing.assert_array_equal(y, labels[order])
