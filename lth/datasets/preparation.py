"""Prepares stored arrays for a network: validation split and normalization."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lth.core.seeds import Purpose, generator
from lth.datasets._base import Arrays, Normalisation
from lth.datasets.rules import check_validation

_BLOCK = 1_000


class Rows(NamedTuple):
    """Rows of the stored training samples, int32, ascending."""

    train: NDArray[np.int32]
    validation: NDArray[np.int32]


def split(arrays: Arrays, validation: int, seed: int) -> Rows:
    """Split the training samples: the held-out samples, or samples drawn by the seed, validate.

    Raises:
        SpecError: if no samples would be left for training or for validation.
    """
    total = len(arrays.y_train)
    check_validation(validation, total)
    if arrays.held_out:
        rows = np.arange(total, dtype=np.int32)
        return Rows(rows[: -arrays.held_out], rows[-arrays.held_out :])
    order = generator(seed, Purpose.SPLIT).permutation(total).astype(np.int32)
    return Rows(np.sort(order[validation:]), np.sort(order[:validation]))


def affine(
    arrays: Arrays, normalisation: Normalisation, train: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The normalization as ``x * factor + offset``, both float32, per channel or scalar.

    Args:
        arrays: the data set as stored.
        normalisation: the kind of normalization.
        train: rows for the statistics; validation and test samples are not used.
    """
    if normalisation != "standard":
        factor = 1 / arrays.scale if normalisation == "unit" else 1.0
        return np.float32(factor) * np.ones(1, np.float32), np.zeros(1, np.float32)
    mean, deviation = _moments(arrays.x_train, train)
    deviation = np.where(deviation == 0, 1.0, deviation)
    return (1 / deviation).astype(np.float32), (-mean / deviation).astype(np.float32)


def _moments(
    samples: NDArray[np.generic], rows: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation per channel, without a copy of all samples.

    The deviation of a constant channel is exactly 0, without rounding errors.
    """
    channels = samples.shape[-1]
    total, squares = np.zeros(channels), np.zeros(channels)
    changes = np.zeros(channels, np.bool_)
    first = samples[rows[0]].reshape(-1, channels)[0]
    for start in range(0, len(rows), _BLOCK):
        block = samples[rows[start : start + _BLOCK]].reshape(-1, channels).astype(np.float64)
        total += block.sum(axis=0)
        squares += np.square(block).sum(axis=0)
        if not changes.all():
            changes |= (block != first).any(axis=0)
    count = len(rows) * samples[0].size // channels
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
    return mean, np.where(changes, deviation, 0.0)
