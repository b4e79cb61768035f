"""Restarts only the learning-rate schedule."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.durations import START, Duration, Point
from lth.core.family import Member
from lth.reinit._base import Kernel, KernelState


class LearningRate(Member):
    """Keep the trained weights, and restart the learning-rate schedule at step 0 or at `to`.

    Reference: Renda et al. 2020, arXiv:2003.02389, section 2 ("learning rate rewinding").
    """

    restores: ClassVar[bool] = False

    kind: Literal["learning_rate"]
    to: Point = START

    @property
    def rewind_point(self) -> Duration:
        return self.to

    def reset(self, kernel: KernelState, rng: np.random.Generator) -> Kernel:
        return kernel.trained

    def learning_rates(self, rates: NDArray[np.float32]) -> NDArray[np.float32]:
        return rates
