"""Prunes the same share of the surviving weights in each round."""

from math import ceil, log1p
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from lth.core.family import Member
from lth.core.limits import bounded, limits_of


class Geometric(Member):
    """Each round prunes the same `fraction` of the *surviving* weights.

    Give two of the three parameters: a fraction and a number of rounds; a fraction and a sparsity
    (the schedule ends with the first round that reaches it); or a sparsity and a number of rounds.

    Reference: Frankle & Carbin 2019, arXiv:1803.03635, section 2 ("iterative pruning").
    """

    kind: Literal["geometric"]
    fraction: float | None = Field(
        default=None, ge=1e-6, lt=1, description="share of a layer's survivors that a round prunes"
    )
    rounds: int | None = Field(default=None, ge=1)
    sparsity: float | None = Field(
        default=None, gt=0, lt=1, description="share of a layer pruned after the last round"
    )

    @field_validator("rounds")
    @classmethod
    def _bounded(cls, value: int | None, info: ValidationInfo) -> int | None:
        return value and bounded(value, limits_of(info).max_rounds, "rounds")

    @model_validator(mode="after")
    def _two_of_three(self, info: ValidationInfo) -> Self:
        given = self.model_dump(exclude={"kind"}, exclude_none=True)
        if len(given) != 2:
            raise ValueError(
                "give two of 'fraction', 'rounds' and 'sparsity'; "
                f"{', '.join(map(repr, given)) or 'none of them'} was given"
            )
        bounded(self._resolved()[1], limits_of(info).max_rounds, "rounds")
        return self

    def densities(self, rate: float) -> tuple[float, ...]:
        fraction, rounds = self._resolved()
        return tuple((1 - rate * fraction) ** done for done in range(1, rounds + 1))

    def _resolved(self) -> tuple[float, int]:
        match self.fraction, self.rounds, self.sparsity:
            case float(fraction), int(rounds), None:
                return fraction, rounds
            case None, int(rounds), float(sparsity):
                return 1 - (1 - sparsity) ** (1 / rounds), rounds
            case float(fraction), None, float(sparsity):
                exact = log1p(-sparsity) / log1p(-fraction)
                return fraction, max(1, ceil(exact - 1e-9))
            case _:
                raise AssertionError("validated: two of three are given")
