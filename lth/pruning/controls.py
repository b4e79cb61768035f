"""Controls: experiments that must lose if the ticket is special.

A control uses the masks of another experiment of its session, or masks with as many kept weights.
It prunes nothing by itself. Its pruned weights are zero, even if the ticket freezes pruned weights
at other values.

Reference: Frankle & Carbin 2019, arXiv:1803.03635, section 2 ("random reinitialisation") and
appendix F; Frankle et al. 2021, arXiv:2009.08576, for shuffled masks.
"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lth.core.family import ByName, Member

Masks = dict[str, NDArray[np.bool_]]
"""One bool mask for each prunable layer, by the layer's name; True = kept."""


class _Control(Member):
    of: str = Field(description="name of the experiment whose masks are taken", max_length=64)

    def masks(self, ticket: Masks, rng: np.random.Generator) -> Masks:
        """The masks of the control at a level, in the shapes of the ticket's masks.

        Args:
            ticket: the ticket's masks at that level.
            rng: starts again at every level, so that the masks are nested like the ticket's.
        """
        raise NotImplementedError


class RandomWeights(_Control):
    """The ticket's masks with new random weights from the layers' initializers.

    Reference: Frankle & Carbin 2019, arXiv:1803.03635, section 2.
    """

    kind: Literal["random_weights"]

    def masks(self, ticket: Masks, rng: np.random.Generator) -> Masks:
        return ticket


class ShuffledMask(_Control):
    """The ticket's weights with each layer's mask shuffled.

    Reference: Frankle et al. 2021, arXiv:2009.08576.
    """

    kind: Literal["shuffled_mask"]

    def masks(self, ticket: Masks, rng: np.random.Generator) -> Masks:
        return {name: _permuted(mask, rng) for name, mask in ticket.items()}


class RandomMask(_Control):
    """The ticket's weights with as many kept weights anywhere in the network.

    Reference: Frankle & Carbin 2019, arXiv:1803.03635, appendix F.
    """

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
