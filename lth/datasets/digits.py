"""scikit-learn's digits: real, small, and always there."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from lth.datasets._base import Arrays, Facts, Normalisation
from lth.family import Member

_TEST = 360


class Digits(Member):
    """1,797 handwritten digits of 8 x 8 pixels (UCI), 360 of them set aside for testing."""

    kind: Literal["digits"]
    validation: int = Field(default=180, ge=1, le=1_400, description="samples for validation")
    normalisation: Normalisation = "unit"

    @property
    def facts(self) -> Facts:
        return Facts(shape=(8, 8, 1), classes=10, train=1_797 - _TEST, test=_TEST)

    def load(self, directory: Path | None) -> Arrays:
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        x = np.asarray(pixels, np.uint8).reshape(-1, 8, 8, 1)
        y = np.asarray(labels, np.int32)
        # The file is ordered by writer; the test set is the same mixture of them for every seed.
        order = np.random.Generator(np.random.PCG64(0)).permutation(len(x))
        test, train = order[:_TEST], order[_TEST:]
        return Arrays(x[train], y[train], x[test], y[test], scale=16.0)
