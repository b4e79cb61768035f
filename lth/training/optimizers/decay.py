"""How the learning rate changes within a level. Add a member to `Decay`."""

from typing import Annotated, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lth.core.durations import Duration, Length
from lth.core.family import ByName, Member


class DecayContract(Protocol):
    """A decay's `kind`, its parameters, and the factors that follow from them."""

    def factors(self, iterations: int, steps_per_epoch: int) -> NDArray[np.float64]:
        """What the full learning rate is multiplied by at each step, [iterations], in [0, 1].

        Args:
            iterations: steps of the level.
            steps_per_epoch: to turn epochs into steps.
        """
        ...


class Constant(Member):
    """The same rate throughout."""

    kind: Literal["constant"]

    def factors(self, iterations: int, steps_per_epoch: int) -> NDArray[np.float64]:
        return np.ones(iterations)


class Step(Member):
    """Multiplied by `factor` at each point of `at`."""

    kind: Literal["step"]
    at: tuple[Length, ...] = Field(min_length=1, max_length=100)
    factor: float = Field(default=0.1, gt=0, lt=1)

    def factors(self, iterations: int, steps_per_epoch: int) -> NDArray[np.float64]:
        points = sorted(point.iterations(steps_per_epoch) for point in self.at)
        passed = np.searchsorted(points, np.arange(iterations), side="right")
        return self.factor ** passed.astype(np.float64)


class Cosine(Member):
    """Half a cosine from the full rate to `final` times it, over the level."""

    kind: Literal["cosine"]
    final: float = Field(default=0.0, ge=0, lt=1)

    def factors(self, iterations: int, steps_per_epoch: int) -> NDArray[np.float64]:
        progress = np.arange(iterations) / iterations
        return self.final + (1 - self.final) * 0.5 * (1 + np.cos(np.pi * progress))


Decay = Annotated[Constant | Step | Cosine, Field(discriminator="kind"), ByName()]


def learning_rates(
    base: float, decay: DecayContract, warmup: Duration, iterations: int, steps_per_epoch: int
) -> NDArray[np.float32]:
    """The learning rate of each step of a level, float32 [iterations].

    Args:
        base: the optimizer's learning rate.
        decay: how it changes.
        warmup: over which the rate rises linearly from base / warmup to its full value.
        iterations: steps of the level.
        steps_per_epoch: to turn epochs into steps.
    """
    factors = decay.factors(iterations, steps_per_epoch)
    rising = warmup.iterations(steps_per_epoch)
    if rising:
        factors = factors * np.minimum(1.0, (np.arange(iterations) + 1) / rising)
    return (base * factors).astype(np.float32)
