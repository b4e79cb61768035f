"""Uploaded files and arrays in memory follow the same rules, and give the same data sets."""

import io
from dataclasses import dataclass

import httpx
import numpy as np
import pytest

from lth.core.errors import SpecError
from lth.datasets import ArrayDataset, Uploaded
from lth.spec.document import parse_spec
from service.settings import Settings
from service.store.blobs.object_store import Blobs
from tests.service.api.test_datasets import npz, upload

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (20, 5, 6), np.uint8)
UNIT = RNG.random((20, 4))
Y = np.arange(20) % 3
FLOATS = BYTES.astype(np.float32)


def train(x=BYTES, y=Y, **others) -> dict:
    return {"x_train": x, "y_train": y, **others}


def for_testing(x=BYTES[:6], y=Y[:6]) -> dict:
    return {"x_test": x, "y_test": y}


def for_validation(x=BYTES[:7], y=Y[:7]) -> dict:
    return {"x_validation": x, "y_validation": y}


ACCEPTED = {
    "bytes": train(),
    "color": train(RNG.integers(0, 256, (20, 5, 6, 3), np.uint8)),
    "half": train(UNIT.astype(np.float16)),
    "single": train(UNIT.astype(np.float32)),
    "double": train(UNIT),
    "long double": train(UNIT.astype(np.longdouble)),
    "big-endian single": train(UNIT.astype(">f4")),
    "big-endian double": train(UNIT.astype(">f8")),
    "Fortran bytes": train(np.asfortranarray(BYTES)),
    "Fortran floats": train(np.asfortranarray(UNIT)),
    "every second row": train(np.repeat(BYTES, 2, axis=0)[::2]),
    "reversed": train(BYTES[::-1]),
    "small labels": train(y=Y.astype(np.uint8)),
    "large unsigned labels": train(y=Y.astype(np.uint64)),
    "big-endian labels": train(y=Y.astype(">i8")),
    "column of labels": train(y=Y[:, None]),
    "Fortran column of labels": train(y=np.asfortranarray(Y[:, None])),
    "tests": train(**for_testing()),
    "tests of another precision": train(UNIT, **for_testing(UNIT[:6].astype(np.float16))),
    "validation": train(**for_validation()),
    "validation and tests": train(**for_validation(), **for_testing()),
    "Fortran validation": train(
        np.asfortranarray(BYTES), **for_validation(np.asfortranarray(BYTES[:7]))
    ),
    "a class only for validation": train(**for_validation(y=Y[:7] + 1)),
    "five samples": train(BYTES[:5], Y[:5]),
    "two samples and a test": train(BYTES[:2], Y[:2], **for_testing(BYTES[:1], Y[:1])),
    "one sample and validation": train(BYTES[:1], Y[:1], **for_testing(), **for_validation()),
    "channels first": train(RNG.integers(0, 256, (20, 3, 8, 8), np.uint8)),
    "minus zero": train(np.where(UNIT < 0.5, -0.0, UNIT)),
    "barely above one": train(np.full((20, 2), 1 + 1e-12)),
}

REFUSED = {
    "integers": (train(BYTES.astype(np.int64)), "x_train is int64; expected uint8"),
    "signed bytes": (train(BYTES.astype(np.int8)), "x_train is int8; expected uint8"),
    "booleans": (train(BYTES > 3), "x_train is bool; expected uint8"),
    "complex numbers": (train(UNIT + 1j), "x_train is complex128; expected uint8"),
    "text": (train(np.array(["a"] * 20)), "x_train is <U1; expected uint8"),
    "dates": (train(np.zeros((20, 2), "M8[s]")), "x_train is datetime64"),
    "a number": (train(np.uint8(3)), "x_train has the shape []"),
    "flat samples": (train(np.zeros(20, np.uint8)), "x_train has the shape [20]"),
    "five dimensions": (train(np.zeros((20, 2, 2, 2, 2), np.uint8)), "x_train has the shape"),
    "no samples": (train(BYTES[:0], Y[:0]), "x_train has the shape [0, 5, 6]"),
    "no features": (train(UNIT[:, :0]), "x_train has the shape [20, 0]"),
    "no tests": (train(**for_testing(BYTES[:0], Y[:0])), "x_test has the shape [0, 5, 6]"),
    "no validation": (
        train(**for_validation(BYTES[:0], Y[:0])),
        "x_validation has the shape [0, 5, 6]",
    ),
    "NaN": (train(np.full((20, 2), np.nan)), "x_train holds 40 values that are NaN or infinite"),
    "infinity": (train(np.full((20, 2), -np.inf)), "x_train holds 40 values that are NaN"),
    "too large for float32": (train(np.full((20, 2), 1e39)), "x_train holds 40 values"),
    "NaN in tests": (train(UNIT, **for_testing(UNIT[:6] * np.nan)), "x_test holds 24 values"),
    "NaN in validation": (
        train(UNIT, **for_validation(UNIT[:7] * np.nan)),
        "x_validation holds 28 values",
    ),
    "labels that wrap to 0": (train(y=Y + 2**32), "holds labels from 4294967296 to 4294967298"),
    "labels that wrap below 0": (train(y=Y + 2**31), "holds labels from 2147483648"),
    "labels beyond int64": (train(y=np.full(20, 2**63, np.uint64)), "9223372036854775808"),
    "wrapping labels of tests": (train(**for_testing(y=Y[:6] + 2**32)), "y_test holds labels"),
    "wrapping labels of validation": (
        train(**for_validation(y=Y[:7] + 2**32)),
        "y_validation holds labels",
    ),
    "negative labels": (train(y=Y - 1), "y_train holds labels from -1 to 1; expected 0"),
    "float labels": (train(y=Y / 1), "y_train is float64 [20]; expected 20 whole numbers"),
    "true and false": (train(y=Y > 1), "y_train is bool [20]; expected 20 whole numbers"),
    "durations as labels": (train(y=Y.astype("m8[s]")), "y_train is timedelta64"),
    "one-hot labels": (train(y=np.eye(3, dtype=int)[Y]), "give the argmax"),
    "a single label": (train(y=np.int64(1)), "y_train is int64 []; expected 20 whole numbers"),
    "too few labels": (train(y=Y[:19]), "y_train is int64 [19]; expected 20 whole numbers"),
    "one class": (train(y=Y * 0), "all labels are 0; expected two classes"),
    "four samples": (train(BYTES[:4], Y[:4]), "of 4 samples none can be set aside for testing"),
    "one sample": (train(BYTES[:1], Y[:1], **for_testing()), "cannot be taken from 1"),
    "tests of another shape": (train(**for_testing(BYTES[:6, 1:])), "a sample of x_test is uint8"),
    "tests of another dtype": (train(**for_testing(FLOATS[:6])), "a sample of x_test is float32"),
    "validation of another shape": (
        train(**for_validation(BYTES[:7, 1:])),
        "a sample of x_validation is",
    ),
    "pixels up to 255 as floats": (train(FLOATS), "floats from 0 to 25"),
    "negative floats": (train(UNIT - 0.5), "'unit' takes floats from 0 to 1"),
    "wide floats in tests": (train(UNIT, **for_testing(UNIT[:6] + 1)), "'unit' takes floats"),
    "wide floats in validation": (
        train(UNIT, **for_validation(UNIT[:7] + 1)),
        "'unit' takes floats",
    ),
}


@dataclass(frozen=True)
class Loaded:
    """What a run is given: digest of the arrays, facts, and validation."""

    digest: str
    facts: object
    validation: int
    held_out: int


def in_memory(arrays: dict, **fields) -> Loaded | str:
    """The data set of arrays in memory, or why they are refused."""
    try:
        data = ArrayDataset(**arrays, **fields)
    except SpecError as error:
        return str(error)
    loaded = data.load()
    return Loaded(loaded.digest, data.facts, data.validation, loaded.held_out)


def uploaded(api: httpx.Client, settings: Settings, arrays: dict, **fields) -> Loaded | str:
    """The data set of a job with the uploaded arrays, or why the service refuses them."""
    response = upload(api, npz(**arrays))
    if response.status_code not in (200, 201):
        assert response.status_code == 422
        return response.json()["detail"]
    dataset = {"kind": "uploaded", "id": response.json()["id"], **fields}
    spec = {"kind": "model", "dataset": dataset, "training": {"batch_size": 1}}
    response = api.post("/v1/jobs", json=spec)
    if response.status_code != 202:
        (wrong,) = response.json()["errors"]
        return wrong["detail"]
    data = parse_spec(response.json()["spec"]).dataset
    assert isinstance(data, Uploaded)
    loaded = data.read(io.BytesIO(Blobs(settings.object_store_url).get(data.digest)))
    return Loaded(loaded.digest, data.facts, data.validation, loaded.held_out)


def test_equal_arrays_give_equal_data_sets_in_memory_and_uploaded(api, settings):
    for name, arrays in ACCEPTED.items():
        here = in_memory(arrays)
        assert isinstance(here, Loaded), (name, here)
        assert uploaded(api, settings, arrays) == here, name


def test_the_same_arrays_are_refused_in_memory_and_uploaded_for_the_same_reason(api, settings):
    for name, (arrays, said) in REFUSED.items():
        here = in_memory(arrays)
        assert isinstance(here, str), name
        assert said in here, name
        there = uploaded(api, settings, arrays)
        assert isinstance(there, str), name
        assert there.replace("9999", "2147483647") == here, name


@pytest.mark.parametrize("normalisation", ["standard", "none"])
def test_wide_floats_are_accepted_with_another_normalisation(api, settings, normalisation):
    here = in_memory(train(FLOATS), normalisation=normalisation)
    assert isinstance(here, Loaded)
    assert uploaded(api, settings, train(FLOATS), normalisation=normalisation) == here
    assert "'unit' takes floats" in uploaded(api, settings, train(FLOATS), normalisation="unit")


def test_a_number_of_validation_samples_is_refused_if_the_file_has_its_own(api, settings):
    arrays = train(**for_validation())
    assert "7 validation samples of its own" in uploaded(api, settings, arrays, validation=3)
    same = uploaded(api, settings, arrays, validation=7)
    assert isinstance(same, Loaded)
    assert (same.validation, same.held_out) == (7, 7)
    assert in_memory(train(), validation=3) == uploaded(api, settings, train(), validation=3)
    too_many = in_memory(train(), validation=16)
    assert too_many == "16 samples for validation cannot be taken from 16; give 1 to 15"
    assert uploaded(api, settings, train(), validation=16) == too_many


def test_x_val_is_another_name_of_the_validation_samples(api, settings):
    named = for_validation()
    short = {"x_val": named["x_validation"], "y_val": named["y_validation"]}
    for others in ({}, for_testing()):
        same = uploaded(api, settings, train(**short, **others))
        assert isinstance(same, Loaded)
        assert same == uploaded(api, settings, train(**named, **others))
        assert same.held_out == 7
    for both in ({**named, **short}, {"x_val": short["x_val"], "y_validation": short["y_val"]}):
        assert "expected the arrays" in uploaded(api, settings, train(**both))


def test_arrays_of_objects_and_ragged_lists_are_refused_on_both_sides(api):
    objects = np.array([{"a": 1}] * 20, object)
    assert "x_train is object; expected uint8" in in_memory(train(objects))
    buffer = io.BytesIO()
    np.savez(buffer, x_train=objects, y_train=Y, allow_pickle=True)
    assert "Python objects" in upload(api, buffer.getvalue()).json()["detail"]
    ragged = [[0.5, 0.5], [0.5]] * 10
    assert "x_train is a list that is not an array of numbers" in in_memory(train(ragged))
    assert "y_train is object" in in_memory(train(y=np.array([0, None] * 10)))
