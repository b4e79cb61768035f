"""Checks that an uploaded file is a data set."""

from collections.abc import Mapping
from math import prod
from typing import BinaryIO

import numpy as np

from lth.datasets import Facts
from lth.datasets.uploaded import TEST_SHARE
from service.api.datasets.archives import ArrayHeader, BadArchive, members, pieces

NAMES = (frozenset({"x_train", "y_train", "x_test", "y_test"}), frozenset({"x", "y"}))
_MOST_CLASSES = 10_000
_MOST_VALUES = 4_000_000
_LEAST_SAMPLES = 10


def check(file: BinaryIO, most_bytes: int) -> tuple[Facts, int]:
    """Check every value of an uploaded file, one piece at a time.

    Returns:
        The facts of the data set, and the size of its arrays in bytes.

    Raises:
        BadArchive: says what is wrong, and what would be right.
    """
    headers = {header.name: header for header in members(file, NAMES, most_bytes)}
    parts = ("_train", "_test") if "x_train" in headers else ("",)
    shapes = {_sample_shape(headers[f"x{part}"]) for part in parts}
    if len(shapes) > 1 or len({headers[f"x{part}"].dtype for part in parts}) > 1:
        raise BadArchive("x_train and x_test differ in their dtype or in the shape of a sample")
    counts = {part: _samples(headers, part) for part in parts}
    classes = 1 + max(_largest_label(file, headers[f"y{part}"]) for part in parts)
    if classes < 2:
        raise BadArchive("all labels are 0; expected two classes or more, from 0 on")
    for part in parts:
        _check_values(file, headers[f"x{part}"])
    if parts == ("",):
        test = counts[""] // TEST_SHARE
        counts = {"_train": counts[""] - test, "_test": test}
    facts = Facts(shapes.pop(), classes, counts["_train"], counts["_test"])
    return facts, sum(header.nbytes for header in headers.values())


def _sample_shape(header: ArrayHeader) -> tuple[int, ...]:
    if header.dtype not in (np.dtype(np.uint8), np.dtype("<f4")):
        raise BadArchive(f"{header.name} is {header.dtype}; expected uint8 or float32")
    if len(header.shape) not in (2, 3, 4):
        raise BadArchive(
            f"{header.name} has the shape {list(header.shape)}; expected [samples, features] "
            "or [samples, height, width, channels]"
        )
    sample = header.shape[1:] if len(header.shape) != 3 else (*header.shape[1:], 1)
    if not 0 < prod(sample) <= _MOST_VALUES:
        raise BadArchive(
            f"a sample of {header.name} has the shape {list(sample)}; expected 1 to "
            f"{_MOST_VALUES} values"
        )
    return sample


def _samples(headers: Mapping[str, ArrayHeader], part: str) -> int:
    x, y = headers[f"x{part}"], headers[f"y{part}"]
    count = x.shape[0]
    if y.shape not in ((count,), (count, 1)) or y.dtype.kind not in "iu":
        raise BadArchive(
            f"{y.name} is {y.dtype} {list(y.shape)}; expected {count} whole numbers, one for "
            f"each sample of {x.name}"
        )
    if count < _LEAST_SAMPLES:
        raise BadArchive(f"{x.name} has {count} samples; expected {_LEAST_SAMPLES} or more")
    return count


def _largest_label(file: BinaryIO, header: ArrayHeader) -> int:
    largest = 0
    for piece in pieces(file, header):
        low, high = int(piece.min()), int(piece.max())
        if low < 0 or high >= _MOST_CLASSES:
            raise BadArchive(
                f"{header.name} holds labels from {low} to {high}; expected 0 to at most "
                f"{_MOST_CLASSES - 1}"
            )
        largest = max(largest, high)
    return largest


def _check_values(file: BinaryIO, header: ArrayHeader) -> None:
    """Read the whole array to verify its checksum; floats must be finite."""
    for piece in pieces(file, header):
        if piece.dtype.kind == "f" and not np.isfinite(piece).all():
            raise BadArchive(f"{header.name} holds NaN or infinity; expected finite numbers")
