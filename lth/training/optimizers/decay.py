"""Decays: how the learning rate changes within a level. To add one, extend `Decay`."""

from typing import Annotated, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lth.core.durations import Duration, Length
from lth.core.family import ByName, Member


class DecayContract(Protocol):
    """The contract of a decay: its `kind`, its parameters, and its factors."""

    def factors(self, iterations: int, steps_per_epoch: int) -> NDArray[np.float64]:
        """The factor of the learning rate at each step, shape [iterations], in [0, 1].

        Args:
            iterations: steps of the level.
            steps_per_epoch: optimizer steps in an epoch.
        """
        ...


class Constant(Member):
    """A constant learning rate."""

    kind: Literal["constant"]

    def factors(self, iterations: int, steps_per_epoch: int) -> NDArray[np.float64]:
        return np.ones(iterations)


class Step(Member):
    """Multiplies the rate by `factor` at each point of `at`."""

    kind: Literal["step"]
    at: tuple[Length, ...] = Field(min_length=1, max_length=100)
    factor: float = Field(default=0.1, gt=0, lt=1)

    def factors(self, iterations: int, steps_per_epoch: int) -> NDArray[np.float64]:
        points = sorted(point.iterations(steps_per_epoch) for point in self.at)
        passed = np.searchsorted(points, np.arange(iterations), side="right")
        return self.factor ** passed.astype(np.float64)


class Cosine(Member):
    """Half a cosine over the level, from the full rate to `final` times the rate."""

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
        base: learning rate of the optimizer.
        decay: the decay.
        warmup: the number of steps over which the rate rises linearly from base / warmup.
        iterations: steps of the level.
        steps_per_epoch: optimizer steps in an epoch.
    """
    factors = decay.factors(iterations, steps_per_epoch)
    rising = warmup.iterations(steps_per_epoch)
    if rising:
        factors = factors * np.minimum(1.0, (np.arange(iterations) + 1) / rising)
    return (base * factors).astype(np.float32)
