"""Sets all surviving weights to one magnitude."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lth.reinit._base import KernelState, Redrawn


class Constant(Redrawn):
    """Set surviving weights to plus or minus a constant, with random or initial signs.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 3.
    """

    kind: Literal["constant"]
    value: float | None = Field(
        default=None,
        ge=0,
        le=1e6,
        description="the constant; without it, each layer's own initial standard deviation",
    )

    def _drawn(self, kernel: KernelState, rng: np.random.Generator) -> NDArray[np.floating]:
        value = np.float32(kernel.stddev if self.value is None else self.value)
        return np.where(rng.random(kernel.rewind.shape) < 0.5, -value, value)
