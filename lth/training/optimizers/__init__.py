"""The optimizers that a spec may name, as configurations for Keras.

The learning rate is not a part of the optimizer. `Training` combines it with its decay into one
rate for each step, so one compiled network serves all schedules.
"""

from typing import Annotated, Literal

from pydantic import Field

from lth.core.family import ByName
from lth.training.optimizers._base import WEIGHT_DECAY, OptimizerBase


class Sgd(OptimizerBase):
    """Stochastic gradient descent, optionally with momentum."""

    kind: Literal["sgd"]
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False

    @property
    def slots(self) -> int:
        return int(self.momentum > 0)


class Adam(OptimizerBase):
    """Adam; the papers use it for LeNet and Conv networks."""

    kind: Literal["adam"]
    beta_1: float = Field(default=0.9, ge=0, lt=1)
    beta_2: float = Field(default=0.999, ge=0, lt=1)
    epsilon: float = Field(default=1e-7, gt=0, le=1)

    @property
    def slots(self) -> int:
        return 2


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    kind: Literal["adamw"]  # pyright: ignore[reportIncompatibleVariableOverride]
    weight_decay: float | None = Field(default=0.004, gt=0, le=1, description=WEIGHT_DECAY)


class RmsProp(OptimizerBase):
    """RMSprop, optionally with momentum."""

    kind: Literal["rmsprop"]
    rho: float = Field(default=0.9, ge=0, lt=1)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    epsilon: float = Field(default=1e-7, gt=0, le=1)
    centered: bool = False

    @property
    def slots(self) -> int:
        return 1 + (self.momentum > 0) + self.centered


Optimizer = Annotated[Sgd | Adam | AdamW | RmsProp, Field(discriminator="kind"), ByName()]
