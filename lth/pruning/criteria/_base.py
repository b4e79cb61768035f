"""The contract of a criterion."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Survivors:
    """The weights that compete in one ranking: those not yet pruned, laid out as vectors [n].

    Attributes:
        initial: the weights that the current training started from, float32.
        final: the same weights after it, float32.
        gradient: of the training loss by each weight at `initial`, float32; only for criteria
            that ask for it.
        keep: how many of the n will survive.
    """

    initial: Vector
    final: Vector
    gradient: Vector | None
    keep: int


class CriterionContract(Protocol):
    """A criterion's `kind`, its parameters, and its scores."""

    needs_gradient: ClassVar[bool]

    @property
    def kind(self) -> str: ...

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        """One score per survivor, shape [n], finite; the largest are kept.

        Args:
            weights: the survivors, n >= 1.
            rng: for criteria that draw; its own stream per level.
        """
        ...


def percentile_ranks(magnitudes: Vector) -> NDArray[np.float64]:
    """How many of `magnitudes` [n] are smaller than each; equal ones rank equally."""
    order = np.argsort(magnitudes)
    ordered = magnitudes[order]
    ranks = np.empty(magnitudes.size, np.float64)
    ranks[order] = np.searchsorted(ordered, ordered)
    return ranks
