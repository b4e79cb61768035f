"""Keeps weights whose magnitude grew most and that kept their sign."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors


class MagnitudeIncreaseSameSign(Member):
    """Score ``max(0, w_final sign(w_initial) - |w_initial|)``.

    Weights that changed their sign or shrank have the score 0.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 5.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["magnitude_increase_same_sign"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        kept = weights.final * np.sign(weights.initial)
        return np.maximum(0, kept - np.abs(weights.initial))
