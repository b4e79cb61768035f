"""Keeps weights with large trained values that changed their sign."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors


class LargeFinalDiffSign(Member):
    """Score ``max(0, -w_final sign(w_initial))``, the control of `LargeFinalSameSign`.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 5.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["large_final_diff_sign"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        return np.maximum(0, -weights.final * np.sign(weights.initial))
