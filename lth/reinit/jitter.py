"""Adds noise to the weights of the rewind point."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lth.core.durations import START, Duration, Point
from lth.reinit._base import KernelState, Redrawn


class Jitter(Redrawn):
    """Set surviving weights to their values at the rewind point, plus white noise.

    Reference: the original library; how stable a ticket is to noise: Frankle et al. 2020,
    arXiv:1912.05671.
    """

    kind: Literal["jitter"]
    to: Point = START
    noise: float = Field(
        default=0.1,
        gt=0,
        le=100,
        description="standard deviation of the noise, in those of the layer's initial weights",
    )

    @property
    def rewind_point(self) -> Duration:
        return self.to

    def _drawn(self, kernel: KernelState, rng: np.random.Generator) -> NDArray[np.floating]:
        white = rng.standard_normal(kernel.rewind.shape, np.float32)
        return kernel.rewind + white * np.float32(self.noise * kernel.stddev)
