"""The contract of a criterion."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Survivors:
    """The surviving weights of one ranking, as vectors [n].

    Attributes:
        initial: the weights at the start of the current training, float32.
        final: the weights at its end, float32.
        gradient: gradient of the training loss at `initial`, float32; only if the criterion sets
            `needs_gradient`.
        keep: how many of the n weights will be kept.
    """

    initial: Vector
    final: Vector
    gradient: Vector | None
    keep: int


class CriterionContract(Protocol):
    """The contract of a criterion: its `kind`, its parameters, and its scores."""

    needs_gradient: ClassVar[bool]

    @property
    def kind(self) -> str: ...

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        """Score each surviving weight; the largest scores are kept.

        Args:
            weights: the surviving weights, n >= 1.
            rng: a random stream of this criterion and level.

        Returns:
            Finite scores, shape [n].
        """
        ...


def percentile_ranks(magnitudes: Vector) -> NDArray[np.float64]:
    """For each of `magnitudes` [n], how many are smaller; equal magnitudes get equal ranks."""
    order = np.argsort(magnitudes)
    ordered = magnitudes[order]
    ranks = np.empty(magnitudes.size, np.float64)
    ranks[order] = np.searchsorted(ordered, ordered)
    return ranks
