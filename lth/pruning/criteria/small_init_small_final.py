"""Keeps weights with small initial and trained values."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors, percentile_ranks


class SmallInitSmallFinal(Member):
    """Score ``-max(a |w_final|, |w_initial|)``, where `a` aligns the two percentiles at the cut.

    This implementation compares ranks, as `LargeInitLargeFinal` does.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 2.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["small_init_small_final"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        final = percentile_ranks(np.abs(weights.final))
        return -np.maximum(final, percentile_ranks(np.abs(weights.initial)))
