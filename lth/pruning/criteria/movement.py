"""Keeps weights that moved far."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors


class Movement(Member):
    """Score ``|w_final - w_initial|``.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 2.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["movement"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        return np.abs(weights.final - weights.initial)
