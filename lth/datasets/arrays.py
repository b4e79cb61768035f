"""A data set from a user's own arrays, for notebooks."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lth.core.errors import SpecError
from lth.core.field_errors import valid, whole
from lth.datasets._base import Arrays, Facts, Normalisation
from lth.datasets.uploaded import TEST_SHARE, apart, as_labels, as_samples


class ArrayDataset:
    """A data set from your own arrays, for `LotteryModel`, `LotterySession` and `LotteryRobust`.

    Results depend on the digest of the arrays, as for other data sets.

    Args:
        x_train: samples [n, features], [n, height, width] or [n, height, width, channels]; uint8,
            or floats, which are converted to float32.
        y_train: labels [n], integers from 0.
        x_test: test samples; without them, a fifth of the training samples is set aside, the same
            fifth for every seed.
        y_test: labels of the test samples.
        x_validation: samples for the early stop; without them, training samples are set aside,
            drawn by the seed of each trial.
        y_validation: labels of the validation samples.
        validation: number of those samples; 0 for a tenth.
        normalisation: "unit" divides uint8 by 255, and expects floats in [0, 1]; "standard" scales
            each channel to mean 0 and deviation 1 over the training samples; "none" keeps the
            samples.

    Raises:
        SpecError: if a shape, a dtype, a value or a label is not as described.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.random((100, 8)), rng.integers(0, 3, 100)
        >>> ArrayDataset(x, y)
        ArrayDataset(80 samples of [8] in 3 classes, 8 of them for validation, 20 for testing)
    """

    def __init__(
        self,
        x_train: Any,
        y_train: Any,
        x_test: Any = None,
        y_test: Any = None,
        x_validation: Any = None,
        y_validation: Any = None,
        *,
        validation: int = 0,
        normalisation: Normalisation = "unit",
    ) -> None:
        train = _part("train", x_train, y_train)
        if x_test is None and y_test is None:
            if len(train[0]) < TEST_SHARE:
                raise SpecError(
                    f"of {len(train[0])} samples none can be set aside for testing; give "
                    f"{TEST_SHARE} at least, or x_test and y_test"
                )
            x, y, *test = apart(*train)
            train = (x, y)
        else:
            test = _part("test", x_test, y_test, like=train[0])
        held_out = 0
        if x_validation is not None or y_validation is not None:
            own = _part("validation", x_validation, y_validation, like=train[0])
            held_out = len(own[0])
            train = (np.concatenate([train[0], own[0]]), np.concatenate([train[1], own[1]]))
        (x, y), (x_test, y_test) = train, test
        valid(Normalisation, normalisation, "normalisation")
        if normalisation == "unit":
            _check_unit(x, x_test)
        classes = int(max(y.max(), y_test.max())) + 1
        if classes < 2:
            raise SpecError("all labels are 0; expected two classes or more, from 0 on")
        self.facts = Facts(x.shape[1:], classes, len(x), len(x_test))
        self.validation = _validation(whole(validation, "validation", 0), held_out, len(x))
        self.normalisation: Normalisation = normalisation
        scale = 255.0 if x.dtype == np.uint8 else 1.0
        self._arrays = Arrays(x, y, x_test, y_test, scale, held_out)

    def load(self, directory: Path | None = None) -> Arrays:
        """The arrays; `directory` is not used."""
        return self._arrays

    def __repr__(self) -> str:
        facts = self.facts
        return (
            f"{type(self).__name__}({facts.train} samples of {list(facts.shape)} in "
            f"{facts.classes} classes, {self.validation} of them for validation, {facts.test} for "
            "testing)"
        )


def _part(
    name: str, x: Any, y: Any, like: NDArray[np.generic] | None = None
) -> tuple[NDArray[np.generic], NDArray[np.int32]]:
    """Check samples and labels, alone and against the training data; return them as stored."""
    if x is None or y is None:
        missing = f"{'x' if x is None else 'y'}_{name}"
        raise SpecError(f"{missing} is missing; x_{name} and y_{name} are given together")
    samples, labels = _samples(f"x_{name}", np.asarray(x)), np.asarray(y)
    _check_labels(f"y_{name}", labels, len(samples))
    if like is not None and (samples.shape[1:], samples.dtype) != (like.shape[1:], like.dtype):
        raise SpecError(
            f"a sample of x_{name} is {samples.dtype} {list(samples.shape[1:])}, but one of "
            f"x_train is {like.dtype} {list(like.shape[1:])}; both must be alike"
        )
    return samples, as_labels(labels)


def _samples(name: str, x: NDArray[Any]) -> NDArray[np.generic]:
    if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
        raise SpecError(
            f"{name} is {x.dtype}; expected uint8, for pixels from 0 to 255, or a float"
        )
    if x.ndim not in (2, 3, 4) or 0 in x.shape:
        raise SpecError(
            f"{name} has the shape {list(x.shape)}; expected [samples, features], [samples, "
            "height, width] or [samples, height, width, channels], none of them 0"
        )
    if x.dtype == np.uint8:
        return as_samples(x)
    with np.errstate(over="ignore"):
        stored = x.astype(np.float32, copy=False)
    wrong = x.size - np.count_nonzero(np.isfinite(stored))
    if wrong:
        raise SpecError(
            f"{name} holds {wrong} values that are NaN or infinite as float32; none is right"
        )
    return as_samples(stored)


def _check_labels(name: str, y: NDArray[Any], samples: int) -> None:
    if y.shape not in ((samples,), (samples, 1)) or not np.issubdtype(y.dtype, np.integer):
        hot = " (of one-hot rows, give the argmax)" if y.ndim == 2 and y.shape[1] > 1 else ""
        raise SpecError(
            f"{name} is {y.dtype} {list(y.shape)}; expected {samples} whole numbers, one for "
            f"each sample{hot}"
        )
    if y.min() < 0:
        raise SpecError(f"{name} holds the label {y.min()}; expected classes from 0 on")


def _check_unit(*parts: NDArray[np.generic]) -> None:
    """Check that floats are in [0, 1] for "unit"."""
    if parts[0].dtype == np.uint8:
        return
    low, high = min(float(x.min()) for x in parts), max(float(x.max()) for x in parts)
    if low < 0 or high > 1:
        raise SpecError(
            f"the samples are floats from {low:.4g} to {high:.4g}, but normalisation 'unit' takes "
            "floats from 0 to 1; scale them, or choose 'standard', or 'none' to leave them as "
            "they are"
        )


def _validation(asked: int, held_out: int, total: int) -> int:
    """Number of validation samples."""
    if asked and held_out:
        raise SpecError(
            f"{asked} samples for validation are asked for, but x_validation is given too; leave "
            "out one of them"
        )
    found = asked or held_out or max(total // 10, 1)
    if not 0 < found < total:
        raise SpecError(
            f"{found} samples for validation cannot be taken from {total}; give 1 to {total - 1}"
        )
    return found
