"""The contract of a reset: what the survivors become before they are trained again."""

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
    """One prunable kernel at a reset; every array has the kernel's own shape.

    Attributes:
        rewind: the weights at the rewind point (step 0, or step k of level 0), float32.
        trained: the weights that training ended with, float32.
        fresh: a new draw from the layer's own initializer, float32.
        mask: the survivors, bool.
        stddev: standard deviation of the layer's initial weights.
    """

    rewind: Kernel
    trained: Kernel
    fresh: Kernel
    mask: NDArray[np.bool_]
    stddev: float


class ReinitContract(Protocol):
    """A reset's `kind`, its parameters, and the kernel it makes.

    `restores` says what happens to everything else: biases and normalisation go back to the rewind
    point (True) or stay as trained (False). Optimizer slots are always fresh.
    """

    restores: ClassVar[bool]

    @property
    def rewind_point(self) -> Duration:
        """The point of level 0 that `KernelState.rewind` is taken at, where training resumes."""
        ...

    def reset(self, kernel: KernelState, rng: np.random.Generator) -> Kernel:
        """The new kernel, float32, of the same shape; the caller sets pruned weights to zero."""
        ...

    def learning_rates(self, rates: NDArray[np.float32]) -> NDArray[np.float32]:
        """The learning rate of each remaining step, given those of the level's schedule."""
        ...


class Redrawn(Member):
    """A reset that gives each survivor a new value, by choice with the sign that it began with."""

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
    """The magnitudes of `values` with the signs of `signs`; a zero has no sign to give."""
    return np.where(signs == 0, values, np.copysign(values, signs))
