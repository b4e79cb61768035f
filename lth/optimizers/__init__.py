"""The optimizers a spec may name, each as the configuration from which Keras builds it.

The learning rate is not the optimizer's: `Training` combines it with its decay into one rate per
step, so that one compiled network serves every schedule.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from lth.family import Member, by_name, kind_of


class _Optimizer(Member):
    """Parameters that every optimizer has."""

    learning_rate: float = Field(gt=0, le=100)
    weight_decay: float | None = Field(default=None, gt=0, le=1, description="decoupled, per step")

    def keras_config(self) -> dict[str, Any]:
        """The optimizer as ``keras.optimizers.deserialize`` reads it, at its base rate."""
        return {"class_name": kind_of(type(self)), "config": self.model_dump(exclude={"kind"})}


class Sgd(_Optimizer):
    """Stochastic gradient descent, with momentum by choice."""

    kind: Literal["sgd"]
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False


class Adam(_Optimizer):
    """Adam, the papers' choice for LeNet and Conv networks."""

    kind: Literal["adam"]
    beta_1: float = Field(default=0.9, ge=0, lt=1)
    beta_2: float = Field(default=0.999, ge=0, lt=1)
    epsilon: float = Field(default=1e-7, gt=0, le=1)


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    kind: Literal["adamw"]  # pyright: ignore[reportIncompatibleVariableOverride]
    weight_decay: float | None = Field(default=0.004, gt=0, le=1, description="decoupled, per step")


class RmsProp(_Optimizer):
    """RMSprop, with momentum by choice."""

    kind: Literal["rmsprop"]
    rho: float = Field(default=0.9, ge=0, lt=1)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    epsilon: float = Field(default=1e-7, gt=0, le=1)
    centered: bool = False


Optimizer = Annotated[Sgd | Adam | AdamW | RmsProp, Field(discriminator="kind"), by_name()]
