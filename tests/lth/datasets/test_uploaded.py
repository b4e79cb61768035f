"""Uploaded files in all accepted forms."""

from io import BytesIO

import numpy as np
import pytest

from lth.core.errors import DatasetMissing
from lth.core.npz import encode
from lth.datasets import Uploaded

FACTS = {"shape": [2, 2, 1], "classes": 2, "train": 8, "test": 2}


def uploaded(**fields) -> Uploaded:
    known = {"id": "ds_" + "0" * 32, "digest": "0" * 64, "facts": FACTS}
    return Uploaded.model_validate({"kind": "uploaded", **known, **fields})


def test_a_tenth_of_the_samples_is_for_validation_by_default():
    assert uploaded().validation == 1
    assert uploaded(facts={**FACTS, "train": 1_000}).validation == 100
    assert uploaded(validation=3).validation == 3


def test_four_arrays_keep_their_split():
    x, y = np.arange(40, dtype=np.uint8).reshape(10, 2, 2), np.array([[0], [1]] * 5)
    content = encode({"x_train": x[:8], "y_train": y[:8], "x_test": x[8:], "y_test": y[8:]})
    arrays = uploaded().read(BytesIO(content))
    assert arrays.x_train.shape == (8, 2, 2, 1)
    np.testing.assert_array_equal(arrays.x_train[..., 0], x[:8])
    np.testing.assert_array_equal(arrays.y_test, np.array([0, 1], np.int32))
    assert arrays.y_test.dtype == np.int32
    assert arrays.scale == 255


def test_a_fixed_fifth_of_two_arrays_is_the_test_set():
    x, y = np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10) % 2
    first, again = (uploaded().read(BytesIO(encode({"x": x, "y": y}))) for _ in range(2))
    assert (len(first.x_train), len(first.x_test)) == (8, 2)
    assert first.digest == again.digest
    rows = np.concatenate([first.x_train, first.x_test])
    np.testing.assert_array_equal(np.sort(rows[:, 0]), x[:, 0])
    np.testing.assert_array_equal(first.y_train, first.x_train[:, 0] // 2 % 2)
    assert first.scale == 1


def test_files_of_earlier_versions_keep_their_digests():
    x, y = np.arange(60, dtype=np.uint8).reshape(10, 3, 2), np.arange(10) % 2
    files = {
        "d10df11a3c69782d": {"x": x, "y": y},
        "59b686052b3f8244": {"x": (x / 64).astype(np.float32), "y": y},
        "43e7b53ef624057f": {"x_train": x, "y_train": y, "x_test": x[:3], "y_test": y[:3]},
    }
    for digest, arrays in files.items():
        assert uploaded().read(BytesIO(encode(arrays))).digest[:16] == digest


def test_validation_samples_of_the_file_are_kept_apart_for_every_seed():
    x, y = np.arange(40, dtype=np.uint8).reshape(10, 2, 2), np.arange(10) % 2
    content = encode(
        {"x_train": x[:8], "y_train": y[:8], "x_validation": x[8:], "y_validation": y[8:]}
    )
    arrays = uploaded().read(BytesIO(content))
    assert arrays.held_out == 2
    np.testing.assert_array_equal(arrays.x_train[-2:, ..., 0], x[8:])
    assert (len(arrays.x_train), len(arrays.x_test)) == (9, 1)


def test_outside_the_service_the_file_is_read_from_the_folder(tmp_path):
    with pytest.raises(DatasetMissing, match="in the service's store"):
        uploaded().load(tmp_path)
    x, y = np.zeros((10, 3), np.float32), np.arange(10) % 2
    (tmp_path / f"{uploaded().id}.npz").write_bytes(encode({"x": x, "y": y}))
    assert uploaded().load(tmp_path).x_train.shape == (8, 3)
