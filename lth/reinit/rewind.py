"""Returns to the weights of the rewind point."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.durations import START, Duration, Point
from lth.core.family import Member
from lth.reinit._base import Kernel, KernelState


class Rewind(Member):
    """Set surviving weights to their values at step 0, or at a later step of level 0.

    After a rewind to step k, the learning-rate schedule also resumes at step k, and the level
    trains for the rest of its duration.

    Reference: Frankle & Carbin 2019, arXiv:1803.03635; late rewinding: Frankle et al. 2019,
    arXiv:1903.01611.
    """

    restores: ClassVar[bool] = True

    kind: Literal["rewind"]
    to: Point = START

    @property
    def rewind_point(self) -> Duration:
        return self.to

    def reset(self, kernel: KernelState, rng: np.random.Generator) -> Kernel:
        return kernel.rewind

    def learning_rates(self, rates: NDArray[np.float32]) -> NDArray[np.float32]:
        return rates
