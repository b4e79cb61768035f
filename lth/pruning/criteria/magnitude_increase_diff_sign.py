"""Keeps weights whose magnitude grew most and that changed their sign."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors


class MagnitudeIncreaseDiffSign(Member):
    """Score ``max(0, -w_final sign(w_initial) - |w_initial|)``.

    Weights that kept their sign or shrank have the score 0.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 5.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["magnitude_increase_diff_sign"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        changed = -weights.final * np.sign(weights.initial)
        return np.maximum(0, changed - np.abs(weights.initial))
