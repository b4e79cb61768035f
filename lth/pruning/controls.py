"""Controls: runs that must lose if the ticket is special.

A control follows another experiment of its session and takes that one's masks, level by level, or
masks of the same size. It prunes nothing by itself. What its masks prune is zero, also where the
ticket freezes pruned weights at other values.

Reference: Frankle & Carbin 2019, arXiv:1803.03635, section 2 ("random reinitialisation") and
appendix F; Frankle et al. 2021, arXiv:2009.08576, for shuffled masks.
"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lth.core.family import ByName, Member

Masks = dict[str, NDArray[np.bool_]]
"""One mask per prunable layer, by the layer's name; True = kept."""


class _Control(Member):
    of: str = Field(description="name of the experiment whose masks are taken", max_length=64)

    def masks(self, ticket: Masks, rng: np.random.Generator) -> Masks:
        """The masks to train with at a level, of the same shapes as the ticket's.

        Args:
            ticket: the ticket's masks at that level.
            rng: begins anew at every level, so that masks nest as the ticket's do.
        """
        raise NotImplementedError


class RandomWeights(_Control):
    """The same masks, and new random weights from the layers' own initializers."""

    kind: Literal["random_weights"]

    def masks(self, ticket: Masks, rng: np.random.Generator) -> Masks:
        return ticket


class ShuffledMask(_Control):
    """The weights at the ticket's rewind point, each layer's mask shuffled: other places."""

    kind: Literal["shuffled_mask"]

    def masks(self, ticket: Masks, rng: np.random.Generator) -> Masks:
        return {name: _permuted(mask, rng) for name, mask in ticket.items()}


class RandomMask(_Control):
    """The weights at the ticket's rewind point, and as many survivors anywhere in the network."""

    kind: Literal["random_mask"]

    def masks(self, ticket: Masks, rng: np.random.Generator) -> Masks:
        flat = np.concatenate([mask.ravel() for mask in ticket.values()])
        cuts = np.cumsum([mask.size for mask in ticket.values()])[:-1]
        parts = np.split(_permuted(flat, rng), cuts)
        return {
            name: part.reshape(mask.shape)
            for (name, mask), part in zip(ticket.items(), parts, strict=True)
        }


Control = Annotated[
    RandomWeights | ShuffledMask | RandomMask, Field(discriminator="kind"), ByName()
]


def _permuted(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    return mask.ravel()[rng.permutation(mask.size)].reshape(mask.shape)
