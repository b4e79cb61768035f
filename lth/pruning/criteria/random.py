"""Keeps random weights."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors


class Random(Member):
    """Score with uniform random numbers: the baseline of all criteria.

    Reference: Frankle & Carbin 2019, arXiv:1803.03635, section 2.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["random"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        return rng.random(weights.final.size)
