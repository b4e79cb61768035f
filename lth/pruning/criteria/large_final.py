"""Keeps weights with large trained values."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors


class LargeFinal(Member):
    """Score ``|w_final|``, the magnitude pruning of the lottery ticket hypothesis.

    Reference: Frankle & Carbin 2019, arXiv:1803.03635, section 1.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["large_final"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        return np.abs(weights.final)
