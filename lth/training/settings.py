"""Training settings of every level: the same for the dense network and for its tickets."""

from collections.abc import Sequence
from math import ceil
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from lth.core.constructing import Checked
from lth.core.durations import START, Duration, Length, Point
from lth.core.errors import SpecError
from lth.core.limits import bounded, limits_of
from lth.training.optimizers import Adam, Optimizer
from lth.training.optimizers.decay import Constant, Decay, learning_rates

Augmentation = Literal["none", "flip", "crop", "flip_crop"]
"""Augmentation of training images: horizontal flips, shifts by up to four pixels, or both."""


def _batch_size(value: int, info: ValidationInfo) -> int:
    return bounded(value, limits_of(info).max_batch_size, "samples in a batch")


class Training(Checked):
    """Optimizer, batch size, duration and evaluation of a level.

    The loss is the cross-entropy of the logits. Batches are drawn without replacement, and the last
    incomplete batch of an epoch is dropped. The papers train LeNet-300-100 for 50000it, and Conv-2,
    Conv-4 and Conv-6 for 20000it, 25000it and 30000it. They evaluate every 100it.

    Examples:
        >>> Training(duration="50000it", evaluate_every="100it", decay="cosine")

    Raises:
        SpecError: if an argument is wrong; the message says what would be right.
    """

    optimizer: Optimizer = Adam(kind="adam", learning_rate=1.2e-3)
    decay: Decay = Field(
        default=Constant(kind="constant"), description="of the learning rate, within each level"
    )
    warmup: Point = Field(
        default=START, description="over which the learning rate rises from near zero"
    )
    batch_size: Annotated[int, Field(ge=1), AfterValidator(_batch_size)] = 60
    duration: Length = Field(default=Duration(20, "ep"), description="of each level")
    evaluate_every: Length = Field(
        default=Duration(1, "ep"),
        description="when validation scores are taken, of which the best is the early stop",
    )
    augmentation: Augmentation = Field(
        default="none", description="of training images: mirrored, moved by up to four pixels"
    )

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        same = self.warmup.unit == self.duration.unit
        if same and self.warmup.count > self.duration.count:
            raise ValueError(f"a warm-up of '{self.warmup}' is longer than '{self.duration}'")
        return self

    def check(self, samples: int, shape: Sequence[int]) -> None:
        """Check that a level can be trained on a number of samples.

        Args:
            samples: number of training samples.
            shape: shape of a sample.

        Raises:
            SpecError: if there are fewer samples than in a batch, if the warm-up is longer than the
                level, or if samples that are not images should be augmented.
        """
        if self.batch_size > samples:
            raise SpecError(
                f"a batch of {self.batch_size} is more than the {samples} training samples"
            )
        iterations = self.iterations(samples)
        if self.warmup.iterations(self.steps_per_epoch(samples)) > iterations:
            raise SpecError(
                f"a warm-up of '{self.warmup}' is longer than a level of '{self.duration}', which "
                f"has {iterations} iterations"
            )
        if self.augmentation != "none" and len(shape) != 3:
            raise SpecError(
                f"'{self.augmentation}' moves pictures [height, width, channels], but a sample has "
                f"the shape {list(shape)}; give 'none'"
            )

    def check_point(self, point: Duration, samples: int) -> None:
        """Check that a level continues after a point, so that a reset can return to the point.

        Raises:
            SpecError: if the level ends before.
        """
        end = self.iterations(samples)
        if point.iterations(self.steps_per_epoch(samples)) >= end:
            raise SpecError(
                f"a reset cannot return to '{point}': a level of '{self.duration}' ends after "
                f"{end} iterations; give an earlier point"
            )

    def iterations(self, samples: int) -> int:
        """Optimizer steps of a level on `samples` training samples."""
        return self.duration.iterations(self.steps_per_epoch(samples))

    def steps_per_epoch(self, samples: int) -> int:
        """Number of full batches in `samples` training samples."""
        return samples // self.batch_size

    def next_evaluation(self, iteration: int, samples: int) -> int:
        """The first evaluation point after `iteration` steps, at most the end of the level."""
        every = self._steps_between_evaluations(samples)
        return min(self.iterations(samples), (iteration // every + 1) * every)

    def evaluations(self, samples: int) -> int:
        """Number of evaluation points of a level."""
        return ceil(self.iterations(samples) / self._steps_between_evaluations(samples))

    def learning_rates(self, samples: int) -> NDArray[np.float32]:
        """The learning rate of each step of a level, float32 [iterations]."""
        steps = self.steps_per_epoch(samples)
        return learning_rates(
            self.optimizer.learning_rate, self.decay, self.warmup, self.iterations(samples), steps
        )

    def _steps_between_evaluations(self, samples: int) -> int:
        return self.evaluate_every.iterations(self.steps_per_epoch(samples))
