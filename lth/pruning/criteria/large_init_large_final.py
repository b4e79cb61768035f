"""Keeps weights with large initial and trained values."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors, percentile_ranks


class LargeInitLargeFinal(Member):
    """Score ``min(a |w_final|, |w_initial|)``, where `a` aligns the two percentiles at the cut.

    With the scale `a`, as many weights fail by their final magnitude as by their initial magnitude.
    This implementation compares ranks instead of scaled magnitudes. It keeps the same weights, and
    never divides by a percentile that is zero.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 2.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["large_init_large_final"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        final = percentile_ranks(np.abs(weights.final))
        return np.minimum(final, percentile_ranks(np.abs(weights.initial)))
