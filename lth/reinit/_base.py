"""The contract of a reset."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lth.core.durations import START, Duration
from lth.core.family import Member

Kernel = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class KernelState:
    """One prunable kernel at a reset; every array has the shape of the kernel.

    Attributes:
        rewind: the weights at the rewind point (step 0, or step k of level 0), float32.
        trained: the weights at the end of the training, float32.
        fresh: new random weights from the layer's initializer, float32.
        mask: the surviving weights; True = kept.
        stddev: standard deviation of the layer's initial weights.
    """

    rewind: Kernel
    trained: Kernel
    fresh: Kernel
    mask: NDArray[np.bool_]
    stddev: float


class ReinitContract(Protocol):
    """The contract of a reset: its `kind`, its parameters, and the new kernel.

    If `restores` is true, biases and normalization return to the rewind point; otherwise they keep
    their trained values. Optimizer slots are always new.
    """

    restores: ClassVar[bool]

    @property
    def rewind_point(self) -> Duration:
        """The point of level 0 of `KernelState.rewind`, at which training resumes."""
        ...

    def reset(self, kernel: KernelState, rng: np.random.Generator) -> Kernel:
        """The new kernel, float32, in the same shape. The caller sets pruned weights to zero."""
        ...

    def learning_rates(self, rates: NDArray[np.float32]) -> NDArray[np.float32]:
        """The learning rates of the next training, from those of the level's schedule.

        Args:
            rates: the remaining rates of the schedule, float32 [iterations].
        """
        ...


class Redrawn(Member):
    """A reset that draws new values, with the option to keep the initial signs."""

    restores: ClassVar[bool] = True

    keep_sign: bool = Field(
        default=False, description="whether each weight gets the sign of its initial value"
    )

    @property
    def rewind_point(self) -> Duration:
        return START

    def reset(self, kernel: KernelState, rng: np.random.Generator) -> Kernel:
        drawn = self._drawn(kernel, rng).astype(np.float32, copy=False)
        return with_sign_of(drawn, kernel.rewind) if self.keep_sign else drawn

    def learning_rates(self, rates: NDArray[np.float32]) -> NDArray[np.float32]:
        return rates

    def _drawn(self, kernel: KernelState, rng: np.random.Generator) -> NDArray[np.floating]:
        raise NotImplementedError


def with_sign_of(values: Kernel, signs: Kernel) -> Kernel:
    """The magnitudes of `values` with the signs of `signs`; zero if the sign is zero."""
    return np.where(signs == 0, values, np.copysign(values, signs))
