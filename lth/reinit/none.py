"""Does not reset weights (fine-tuning)."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.durations import START, Duration
from lth.core.family import Member
from lth.reinit._base import Kernel, KernelState


class NoReset(Member):
    """Keep the trained weights, and train on with the last learning rate of the schedule.

    Reference: Renda et al. 2020, arXiv:2003.02389, section 2 ("fine-tuning").
    """

    restores: ClassVar[bool] = False

    kind: Literal["none"]

    @property
    def rewind_point(self) -> Duration:
        return START

    def reset(self, kernel: KernelState, rng: np.random.Generator) -> Kernel:
        return kernel.trained

    def learning_rates(self, rates: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full_like(rates, rates[-1])
