"""What every optimizer shares."""

from typing import Any

from pydantic import Field

from lth.core.family import Member, kind_of

WEIGHT_DECAY = (
    "decoupled: each step takes the learning rate times this from every weight, bias and scale"
)


class OptimizerBase(Member):
    """Parameters that every optimizer has, and its configuration for Keras."""

    learning_rate: float = Field(gt=0, le=100)
    weight_decay: float | None = Field(default=None, gt=0, le=1, description=WEIGHT_DECAY)

    def keras_config(self) -> dict[str, Any]:
        """The optimizer as ``keras.optimizers.deserialize`` reads it, at its base rate."""
        return {"class_name": kind_of(type(self)), "config": self.model_dump(exclude={"kind"})}
