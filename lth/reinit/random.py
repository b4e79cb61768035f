"""Draws new random weights."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lth.reinit._base import KernelState, Redrawn


class Random(Redrawn):
    """Draw surviving weights again from the initializer of their layer.

    Without the initial signs, this is the control of the papers: the mask of a ticket alone is not
    enough.

    Reference: Frankle & Carbin 2019, arXiv:1803.03635, section 2; with signs kept: Zhou et al.
    2019, arXiv:1905.01067, section 3.
    """

    kind: Literal["random"]

    def _drawn(self, kernel: KernelState, rng: np.random.Generator) -> NDArray[np.floating]:
        return kernel.fresh
