"""How each level is trained: the same settings for the dense network and for its tickets."""

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from lth.durations import Duration, Length, Point
from lth.limits import bounded, limits_of
from lth.optimizers import Adam, Optimizer
from lth.optimizers.decay import Constant, Decay, learning_rates

Augmentation = Literal["none", "flip", "crop", "flip_crop"]
"""Of training images: mirrored left to right, moved by up to four pixels, or both."""


def _batch_size(value: int, info: ValidationInfo) -> int:
    return bounded(value, limits_of(info).max_batch_size, "samples in a batch")


class Training(BaseModel):
    """Optimizer, batches, length and evaluation of one level.

    The loss is the cross-entropy of the logits. Batches are drawn without replacement; an epoch's
    last, incomplete batch is dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimizer: Optimizer = Adam(kind="adam", learning_rate=1.2e-3)
    decay: Decay = Constant(kind="constant")
    warmup: Point = Duration(0, "it")
    batch_size: Annotated[int, Field(ge=1), AfterValidator(_batch_size)] = 60
    duration: Length = Duration(20, "ep")
    evaluate_every: Length = Duration(1, "ep")
    augmentation: Augmentation = "none"

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        same = self.warmup.unit == self.duration.unit
        if same and self.warmup.count > self.duration.count:
            raise ValueError(f"a warm-up of '{self.warmup}' is longer than '{self.duration}'")
        return self

    def iterations(self, samples: int) -> int:
        """Optimizer steps of a level on `samples` training samples."""
        return self.duration.iterations(self.steps_per_epoch(samples))

    def steps_per_epoch(self, samples: int) -> int:
        """Whole batches in `samples` training samples."""
        return samples // self.batch_size

    def evaluation_points(self, samples: int) -> tuple[int, ...]:
        """The iterations after which the validation loss is taken; the last is the level's end."""
        every = self.evaluate_every.iterations(self.steps_per_epoch(samples))
        end = self.iterations(samples)
        return (*range(every, end, every), end)

    def learning_rates(self, samples: int) -> NDArray[np.float32]:
        """The learning rate of each step of a level, float32 [iterations]."""
        steps = self.steps_per_epoch(samples)
        return learning_rates(
            self.optimizer.learning_rate, self.decay, self.warmup, self.iterations(samples), steps
        )
