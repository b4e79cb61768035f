"""Keep the weights that were small and stayed small."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.family import Member
from lth.pruning.criteria._base import Survivors, percentile_ranks


class SmallInitSmallFinal(Member):
    """Score ``-max(a |w_final|, |w_initial|)``, with `a` aligning the two percentiles at the cut.

    As in `LargeInitLargeFinal`, ranks stand for the scaled magnitudes.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 2.
    """

    needs_gradient: ClassVar[bool] = False

    kind: Literal["small_init_small_final"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        final = percentile_ranks(np.abs(weights.final))
        return -np.maximum(final, percentile_ranks(np.abs(weights.initial)))
