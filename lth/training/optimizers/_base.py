"""Base of all optimizers."""

from typing import Any

from pydantic import Field

from lth.core.family import Member, kind_of

WEIGHT_DECAY = (
    "decoupled: each step takes the learning rate times this from every weight, bias and scale"
)


class OptimizerBase(Member):
    """The parameters that all optimizers have, and their configuration for Keras."""

    learning_rate: float = Field(gt=0, le=100)
    weight_decay: float | None = Field(default=None, gt=0, le=1, description=WEIGHT_DECAY)

    @property
    def slots(self) -> int:
        """The number of arrays in the shape of a weight that the optimizer keeps for it."""
        return 0

    def keras_config(self) -> dict[str, Any]:
        """The configuration for ``keras.optimizers.deserialize``, with the base learning rate."""
        return {"class_name": kind_of(type(self)), "config": self.model_dump(exclude={"kind"})}
