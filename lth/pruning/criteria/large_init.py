"""Keeps weights with large initial values."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors


class LargeInit(Member):
    """Score ``|w_initial|``, without any result of the training.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 2.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["large_init"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        return np.abs(weights.initial)
