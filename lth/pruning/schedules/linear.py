"""Prunes the same number of weights in each round."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from lth.core.family import Member
from lth.core.limits import bounded, limits_of


class Linear(Member):
    """Each round prunes the same share of a layer's *original* weights."""

    kind: Literal["linear"]
    sparsity: float = Field(gt=0, lt=1, description="share of a layer pruned after the last round")
    rounds: int = Field(ge=1)

    @field_validator("rounds")
    @classmethod
    def _bounded(cls, value: int, info: ValidationInfo) -> int:
        return bounded(value, limits_of(info).max_rounds, "rounds")

    def densities(self, rate: float) -> tuple[float, ...]:
        share = rate * self.sparsity / self.rounds
        return tuple(1 - share * done for done in range(1, self.rounds + 1))
