"""Permutes the initial values."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lth.reinit._base import KernelState, Redrawn


class Reshuffle(Redrawn):
    """Permute the initial values of the surviving weights of each layer.

    With `keep_sign`, only the magnitudes are permuted, and each weight keeps its sign.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 3.
    """

    kind: Literal["reshuffle"]

    def _drawn(self, kernel: KernelState, rng: np.random.Generator) -> NDArray[np.floating]:
        dealt = kernel.rewind.copy()
        dealt[kernel.mask] = rng.permutation(kernel.rewind[kernel.mask])
        return dealt
