"""Keep the weights that were large and stayed large."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors, percentile_ranks


class LargeInitLargeFinal(Member):
    """Score ``min(a |w_final|, |w_initial|)``, with `a` aligning the two percentiles at the cut.

    The scale `a` is the one at which the same share of the survivors fails by its final as by its
    initial magnitude. Ranks have that scale built in, so the smaller of a weight's two ranks is
    scored: it keeps the same weights, and needs no division by a percentile that may be zero.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 2.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["large_init_large_final"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        final = percentile_ranks(np.abs(weights.final))
        return np.minimum(final, percentile_ranks(np.abs(weights.initial)))
