"""The digits of scikit-learn, which are installed with it."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from lth.core.family import Member
from lth.datasets._base import Arrays, Facts, Normalisation

_TEST = 360


class Digits(Member):
    """1,797 handwritten digits of 8 x 8 pixels (UCI), 360 of them for testing."""

    kind: Literal["digits"]
    validation: int = Field(default=180, ge=1, le=1_400, description="samples for validation")
    normalisation: Normalisation = "unit"

    @property
    def facts(self) -> Facts:
        return Facts(shape=(8, 8, 1), classes=10, train=1_797 - _TEST, test=_TEST)

    def load(self, directory: Path | None) -> Arrays:
        table = np.loadtxt(_file(), np.uint8, delimiter=",")
        x, y = table[:, :64].reshape(-1, 8, 8, 1), table[:, 64].astype(np.int32)
        # The file is ordered by writer; the test set is the same mixture of writers for all seeds.
        order = np.random.Generator(np.random.PCG64(0)).permutation(len(x))
        test, train = order[:_TEST], order[_TEST:]
        return Arrays(x[train], y[train], x[test], y[test], scale=16.0)


def _file() -> Path:
    """The file that `sklearn.datasets.load_digits` reads.

    It is read directly because importing scikit-learn takes a second at the start of every worker.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            "the digits are part of scikit-learn: pip install 'lth[notebook]'"
        )
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
