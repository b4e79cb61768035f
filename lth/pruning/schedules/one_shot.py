"""Prunes in one round."""

from typing import Literal

from pydantic import Field

from lth.core.family import Member


class OneShot(Member):
    """Prune once, to the full sparsity.

    Reference: Frankle & Carbin 2019, arXiv:1803.03635, section 2 ("one-shot pruning").
    """

    kind: Literal["one_shot"]
    sparsity: float = Field(gt=0, lt=1, description="share of a layer's weights that is pruned")

    def densities(self, rate: float) -> tuple[float, ...]:
        return (1 - rate * self.sparsity,)
