"""A data set from a user's own arrays, for notebooks."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lth.core import npz
from lth.core.errors import SpecError
from lth.core.field_errors import valid, whole
from lth.datasets._base import Arrays, Normalisation
from lth.datasets.rules import (
    assembled,
    check,
    check_normalisation,
    check_validation,
    validation_samples,
)

_PIECE = 1 << 20


class ArrayDataset:
    """A data set from your own arrays, for `LotteryModel`, `LotterySession` and `LotteryRobust`.

    Results depend on the digest of the arrays, as for other data sets. The service has the same
    rules for an uploaded npz file of the same arrays.

    Args:
        x_train: samples [n, features], [n, height, width] or [n, height, width, channels]; uint8,
            or floats, which are converted to float32.
        y_train: labels [n] or [n, 1], integers from 0.
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
        parts = {"test": (x_test, y_test), "validation": (x_validation, y_validation)}
        named = _pair("train", x_train, y_train)
        for part, (x, y) in parts.items():
            if x is not None or y is not None:
                named |= _pair(part, x, y)
        valid(Normalisation, normalisation, "normalisation")
        checked = check(named, lambda name: _pieces(named[name]))
        check_normalisation(normalisation, checked.float_range)
        asked = whole(validation, "validation", 0)
        if asked and checked.held_out:
            raise SpecError(
                f"{asked} samples for validation are asked for, but x_validation is given too; "
                "leave out one of them"
            )
        self.facts = checked.facts
        self.validation = checked.held_out or validation_samples(asked, self.facts.train)
        check_validation(self.validation, self.facts.train)
        self.normalisation: Normalisation = normalisation
        self._arrays = assembled(named)

    def load(self, directory: Path | None = None) -> Arrays:
        """The arrays; `directory` is not used."""
        return self._arrays

    def write(self, file: IO[bytes]) -> None:
        """Write an npz file, from which the service makes a data set with the same digest."""
        x, y, held_out = self._arrays.x_train, self._arrays.y_train, self._arrays.held_out
        train = len(x) - held_out
        named = {
            "x_train": x[:train],
            "y_train": y[:train],
            "x_test": self._arrays.x_test,
            "y_test": self._arrays.y_test,
        }
        if held_out:
            named |= {"x_validation": x[train:], "y_validation": y[train:]}
        npz.write(file, named.items())

    def reference(self, dataset_id: str) -> dict[str, Any]:
        """What a spec says instead of the arrays, if they were uploaded to the service.

        Args:
            dataset_id: id of the uploaded data set.
        """
        own = {} if self._arrays.held_out else {"validation": self.validation}
        normalisation = {"normalisation": self.normalisation}
        return {"kind": "uploaded", "id": dataset_id, **normalisation, **own}

    def __repr__(self) -> str:
        facts = self.facts
        return (
            f"{type(self).__name__}({facts.train} samples of {list(facts.shape)} in "
            f"{facts.classes} classes, {self.validation} of them for validation, {facts.test} for "
            "testing)"
        )


def _pair(part: str, x: Any, y: Any) -> dict[str, NDArray[Any]]:
    """The samples and the labels of a part, by name."""
    given = {f"x_{part}": x, f"y_{part}": y}
    for name, value in given.items():
        if value is None:
            raise SpecError(f"{name} is missing; x_{part} and y_{part} are given together")
    return {name: _array(name, value) for name, value in given.items()}


def _array(name: str, value: Any) -> NDArray[Any]:
    if np.ma.is_masked(value):
        raise SpecError(f"{name} has masked values; fill them in, or leave their samples out")
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise SpecError(
            f"{name} is a {type(value).__name__} that is not an array of numbers: {error}"
        ) from None


def _pieces(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The values of an array, some samples at a time, so that no copy of all of them is made."""
    step = max(_PIECE // max(array[0].size, 1), 1)
    return (array[start : start + step] for start in range(0, len(array), step))
