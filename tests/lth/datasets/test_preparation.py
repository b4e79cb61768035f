import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import SpecError
from lth.datasets import Arrays
from lth.datasets.preparation import affine, split


def made_up(samples=60, shape=(4, 4, 3), dtype=np.uint8):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (samples, *shape)).astype(dtype)
    # Channels of very different scale.
    x[..., 0] //= 16
    labels = np.arange(samples, dtype=np.int32) % 3
    return Arrays(x, labels, x, labels, scale=255.0)


def normalise(samples, factor, offset):
    """Normalise stored samples as the engine does."""
    return samples.astype(np.float32) * factor + offset


@given(validation=st.integers(1, 59), seed=st.integers(0, 2**63 - 1))
def test_a_split_takes_each_sample_once(validation, seed):
    rows = split(made_up(), validation, seed)
    assert len(rows.validation) == validation
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(60))
    for part in rows:
        assert part.dtype == np.int32
        assert (np.diff(part) > 0).all()


def test_a_split_is_determined_by_the_seed():
    once, again, other = (split(made_up(), 20, seed).validation for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


@pytest.mark.parametrize("validation", [0, 60, 61, -1])
def test_a_split_with_an_empty_part_is_refused(validation):
    with pytest.raises(SpecError, match=f"{validation} samples .* taken from 60; give 1 to 59"):
        split(made_up(), validation, seed=0)


def test_unit_divides_by_the_scale():
    arrays = made_up()
    x = normalise(arrays.x_train, *affine(arrays, "unit", np.arange(60, dtype=np.int32)))
    np.testing.assert_allclose(x, arrays.x_train / 255, rtol=1e-6)
    assert x.dtype == np.float32


def test_without_normalisation_samples_are_unchanged():
    arrays = made_up()
    x = normalise(arrays.x_train, *affine(arrays, "none", np.arange(60, dtype=np.int32)))
    np.testing.assert_array_equal(x, arrays.x_train)


def test_standard_gives_each_channel_mean_zero_and_deviation_one():
    arrays = made_up(samples=2_345)
    rows = split(arrays, 345, seed=0)
    x = normalise(arrays.x_train, *affine(arrays, "standard", rows.train))
    np.testing.assert_allclose(x[rows.train].mean((0, 1, 2), np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(x[rows.train].std((0, 1, 2), dtype=np.float64), 1, rtol=1e-5)


def test_standard_normalises_each_feature_over_all_samples():
    constant, alternating, early, late = range(4)
    x = np.zeros((5_000, 4), np.float32)
    x[:, constant] = 123.456
    x[::2, alternating] = 0.001
    x[1:1_001, early] = x[-1_000:, late] = 0.5
    labels = np.zeros(5_000, np.int32)
    arrays = Arrays(x, labels, x, labels, scale=1.0)
    factor, offset = affine(arrays, "standard", np.arange(5_000, dtype=np.int32))
    assert factor[constant] == 1
    found = normalise(x, factor, offset)
    np.testing.assert_allclose(found[0, 1:], [1, -0.5, -0.5], rtol=1e-5)
    np.testing.assert_allclose(found[1, early], 2, rtol=1e-5)
    np.testing.assert_allclose(found[-1, late], 2, rtol=1e-5)


def test_standard_ignores_validation_samples():
    arrays = made_up()
    rows = split(arrays, 20, seed=0)
    before = affine(arrays, "standard", rows.train)
    arrays.x_train[rows.validation] = 255
    for old, new in zip(before, affine(arrays, "standard", rows.train), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_constant_channel_is_only_shifted():
    x = np.full((10, 2, 2, 1), 7, np.uint8)
    labels = np.zeros(10, np.int32)
    arrays = Arrays(x, labels, x, labels, scale=255.0)
    factor, offset = affine(arrays, "standard", np.arange(10, dtype=np.int32))
    np.testing.assert_array_equal(normalise(x, factor, offset), np.zeros((10, 2, 2, 1)))


def test_a_constant_feature_is_only_shifted_despite_rounding_errors():
    x = np.full((5_000, 1), 123.456, np.float32)
    labels = np.zeros(5_000, np.int32)
    arrays = Arrays(x, labels, x, labels, scale=1.0)
    factor, offset = affine(arrays, "standard", np.arange(5_000, dtype=np.int32))
    assert factor == 1
    np.testing.assert_array_equal(normalise(x, factor, offset), np.zeros((5_000, 1)))
