"""The rules for arrays that a user gives: in memory as an `ArrayDataset`, or uploaded as a file.

Shapes and dtypes are checked before values. Values are checked one piece at a time, because an
upload may not fit into memory.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf, prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lth.core.errors import SpecError
from lth.datasets._base import Arrays, Facts, Normalisation

TEST_SHARE = 5
"""Without test data, one of this many samples is set aside for testing."""
MOST_CLASSES = 2**31
"""Labels are stored as int32."""
_BOTH = ("x", "y")
_TRAIN = ("x_train", "y_train")
_TEST = ("x_test", "y_test")
_VALIDATION = ("x_validation", "y_validation")
_SHORT = {"x_val": "x_validation", "y_val": "y_validation"}
"""Short names of arrays in a file."""
NAMES = tuple(
    frozenset(names)
    for names in (
        _BOTH,
        _TRAIN,
        (*_TRAIN, *_TEST),
        (*_TRAIN, *_VALIDATION),
        (*_TRAIN, *_TEST, *_VALIDATION),
    )
)
"""The sets of arrays that make a data set."""
_LONG = {full: short for short, full in _SHORT.items()}
NAMES_IN_FILES = (
    *NAMES,
    *(
        frozenset(_LONG.get(name, name) for name in names)
        for names in NAMES
        if names & _LONG.keys()
    ),
)
"""The same, and those with short names."""
_VALIDATION_SHARE = 10
_FLOAT32 = np.dtype(np.float32)


class Header(Protocol):
    """The dtype and the shape of an array."""

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True, slots=True)
class Checked:
    """The facts of arrays that follow the rules.

    Attributes:
        facts: what a plan needs to know.
        held_out: how many of the training samples were given for validation; 0 if each seed draws
            its own.
        float_range: the smallest and the largest value of float samples; None if they are uint8.
    """

    facts: Facts
    held_out: int
    float_range: tuple[float, float] | None


def check(
    headers: Mapping[str, Header],
    pieces: Callable[[str], Iterable[NDArray[Any]]],
    *,
    most_classes: int = MOST_CLASSES,
    most_values: float = inf,
) -> Checked:
    """Check the arrays of a data set.

    Args:
        headers: dtype and shape of each array; the names are one of `NAMES`.
        pieces: returns the values of an array by its name, in any order, in pieces of any shape.
        most_classes: bound on the number of classes.
        most_values: bound on the number of values of a sample.

    Raises:
        SpecError: says what is wrong, and what would be right.
    """
    pairs = [pair for pair in (_BOTH, _TRAIN, _TEST, _VALIDATION) if pair[0] in headers]
    first = headers[pairs[0][0]]
    for x, y in pairs:
        _check_samples(x, headers[x], most_values)
        _check_alike(x, headers[x], pairs[0][0], first)
        _check_label_header(y, headers[y], headers[x].shape[0])
    counts = {x: headers[x].shape[0] for x, _ in pairs}
    held_out = counts.get(_VALIDATION[0], 0)
    train, test = _counts(first.shape[0], counts.get(_TEST[0]))
    train += held_out
    check_validation(held_out or validation_samples(0, train), train)
    classes = 1 + max(_largest_label(y, pieces(y), most_classes) for _, y in pairs)
    if classes < 2:
        raise SpecError("all labels are 0; expected two classes or more, from 0 on")
    ranges = [_float_range(x, pieces(x)) for x, _ in pairs]
    float_range = None
    if _stored_dtype(first) == _FLOAT32:
        float_range = min(low for low, _ in ranges), max(high for _, high in ranges)
    facts = Facts(_sample_shape(first), classes, train, test)
    return Checked(facts, held_out, float_range)


def full_name(name: str) -> str:
    """The name of an array of a file, in full."""
    return _SHORT.get(name, name)


def assembled(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The data set of arrays that follow the rules, as it is stored and trained on.

    Args:
        arrays: by name; the names are one of `NAMES`.
    """
    x_name, y_name = _BOTH if _BOTH[0] in arrays else _TRAIN
    x, y = as_samples(arrays[x_name]), as_labels(arrays[y_name])
    if _TEST[0] in arrays:
        x_test, y_test = as_samples(arrays[_TEST[0]]), as_labels(arrays[_TEST[1]])
    else:
        x, y, x_test, y_test = _apart(x, y)
    held_out = 0
    if _VALIDATION[0] in arrays:
        own = as_samples(arrays[_VALIDATION[0]])
        held_out = len(own)
        x, y = np.concatenate([x, own]), np.concatenate([y, as_labels(arrays[_VALIDATION[1]])])
    return Arrays(x, y, x_test, y_test, 255.0 if x.dtype == np.uint8 else 1.0, held_out)


def check_normalisation(
    normalisation: Normalisation, float_range: tuple[float, float] | None
) -> None:
    """Check that "unit" gets floats from 0 to 1.

    Raises:
        SpecError: if it does not; the message says what to choose.
    """
    if normalisation != "unit" or float_range is None:
        return
    low, high = float_range
    if low < 0 or high > 1:
        raise SpecError(
            f"the samples are floats from {low:.4g} to {high:.4g}, but normalisation 'unit' takes "
            "floats from 0 to 1; scale them, or choose 'standard', or 'none' to leave them as "
            "they are"
        )


def validation_samples(asked: int, train: int) -> int:
    """Number of validation samples of a data set that has none of its own.

    Args:
        asked: the number that was asked for; 0 for a tenth of the training samples.
        train: number of training samples, including those for validation.
    """
    return asked or max(train // _VALIDATION_SHARE, 1)


def check_validation(samples: int, train: int) -> None:
    """Check that samples are left for training and for validation.

    Raises:
        SpecError: if not.
    """
    if not 0 < samples < train:
        right = f"give 1 to {train - 1}" if train > 1 else "two training samples are the least"
        raise SpecError(f"{samples} samples for validation cannot be taken from {train}; {right}")


def check_labels(
    name: str,
    header: Header,
    pieces: Iterable[NDArray[Any]],
    samples: int,
    most_classes: int = MOST_CLASSES,
) -> None:
    """Check an array of labels.

    Raises:
        SpecError: unless it has one label for each sample, from 0 to below `most_classes`.
    """
    _check_label_header(name, header, samples)
    _largest_label(name, pieces, most_classes)


def as_samples(x: NDArray[Any]) -> NDArray[np.generic]:
    """Samples as they are stored: uint8 or float32; grayscale images get a channel axis."""
    stored = x if x.dtype == np.uint8 else x.astype(np.float32, copy=False)
    return np.ascontiguousarray(stored[..., np.newaxis] if x.ndim == 3 else stored)


def as_labels(y: NDArray[Any]) -> NDArray[np.int32]:
    """Labels [n] or [n, 1] as they are stored."""
    return np.ascontiguousarray(y.reshape(len(y)).astype(np.int32))


def set_aside(samples: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows for training and those for testing, independent of the seed."""
    order = np.random.Generator(np.random.PCG64(0)).permutation(samples)
    return order[samples // TEST_SHARE :], order[: samples // TEST_SHARE]


def _apart(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Samples and labels for training and for testing."""
    train, test = set_aside(len(x))
    return x[train], y[train], x[test], y[test]


def _counts(train: int, test: int | None) -> tuple[int, int]:
    """Number of samples for training and for testing."""
    if test is not None:
        return train, test
    test = train // TEST_SHARE
    if not test:
        raise SpecError(
            f"of {train} samples none can be set aside for testing; give {TEST_SHARE} at least, or "
            "x_test and y_test"
        )
    return train - test, test


def _stored_dtype(header: Header) -> np.dtype[Any]:
    return _FLOAT32 if header.dtype.kind == "f" else header.dtype


def _sample_shape(header: Header) -> tuple[int, ...]:
    return (*header.shape[1:], 1) if len(header.shape) == 3 else header.shape[1:]


def _check_samples(name: str, header: Header, most_values: float) -> None:
    if header.dtype != np.uint8 and header.dtype.kind != "f":
        raise SpecError(
            f"{name} is {header.dtype}; expected uint8, for pixels from 0 to 255, or a float"
        )
    if len(header.shape) not in (2, 3, 4) or 0 in header.shape:
        raise SpecError(
            f"{name} has the shape {list(header.shape)}; expected [samples, features], [samples, "
            "height, width] or [samples, height, width, channels], none of them 0"
        )
    values = prod(header.shape[1:])
    if values > most_values:
        raise SpecError(
            f"a sample of {name} has {values} values, in the shape {list(header.shape[1:])}; "
            f"expected {most_values} at most"
        )


def _check_alike(name: str, header: Header, first_name: str, first: Header) -> None:
    mine, theirs = (
        f"{_stored_dtype(each)} {list(_sample_shape(each))}" for each in (header, first)
    )
    if mine != theirs:
        raise SpecError(
            f"a sample of {name} is {mine}, but one of {first_name} is {theirs}; both must be alike"
        )


def _check_label_header(name: str, header: Header, samples: int) -> None:
    shape = header.shape
    if shape not in ((samples,), (samples, 1)) or header.dtype.kind not in "iu":
        hot = " (of one-hot rows, give the argmax)" if len(shape) == 2 and shape[1] > 1 else ""
        raise SpecError(
            f"{name} is {header.dtype} {list(shape)}; expected {samples} whole numbers, one for "
            f"each sample{hot}"
        )


def _largest_label(name: str, pieces: Iterable[NDArray[Any]], most_classes: int) -> int:
    extremes = [(int(piece.min()), int(piece.max())) for piece in pieces]
    low, high = min(low for low, _ in extremes), max(high for _, high in extremes)
    if low < 0 or high >= most_classes:
        raise SpecError(
            f"{name} holds labels from {low} to {high}; expected 0 to at most {most_classes - 1}"
        )
    return high


def _float_range(name: str, pieces: Iterable[NDArray[Any]]) -> tuple[float, float]:
    """The smallest and the largest value; 0 and 0 for uint8.

    Bytes are read to their end too, because this verifies the checksum of an upload.
    """
    low, high, wrong = inf, -inf, 0
    for piece in pieces:
        if piece.dtype == np.uint8:
            low, high = 0.0, 0.0
            continue
        with np.errstate(over="ignore"):
            stored = piece.astype(np.float32, copy=False)
        wrong += stored.size - int(np.count_nonzero(np.isfinite(stored)))
        if wrong:
            continue
        low, high = min(low, float(stored.min())), max(high, float(stored.max()))
    if wrong:
        raise SpecError(
            f"{name} holds {wrong} values that are NaN or infinite as float32; every value must be "
            "finite"
        )
    return low, high
