"""What stands where a mask prunes, and what a masked network is without any training.

Reference: Zhou et al. 2019, arXiv:1905.01067, sections 4 ("mask-0 actions") and 5 (supermasks).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kernel = NDArray[np.float32]
Mask = NDArray[np.bool_]

PrunedWeights = Literal["zero", "initial", "initial_if_grown"]
"""``zero``, their ``initial`` value, or that only for weights that did not move towards zero."""


def pruned_values(kind: PrunedWeights, initial: Kernel, final: Kernel, mask: Mask) -> Kernel:
    """The values at which pruned weights are frozen, float32; zero where the mask keeps.

    Given the frozen values of the level before as part of `final`, a weight that is frozen stays
    as it is: at zero it has shrunk, at its initial value it has not.

    Args:
        kind: what becomes of them.
        initial: the weights that the current training started from, float32.
        final: the weights after it, those frozen before at their frozen values, float32.
        mask: of the level to come; True = kept.
    """
    match kind:
        case "zero":
            frozen = np.zeros_like(mask)
        case "initial":
            frozen = ~mask
        case "initial_if_grown":
            frozen = ~mask & (np.abs(final) >= np.abs(initial))
    return np.where(frozen, initial, np.float32(0))


def signed_constant(kernel: Kernel, mask: Mask, stddev: float) -> Kernel:
    """Each kept weight replaced by its sign times `stddev`, of the layer's initial weights."""
    return np.where(mask, np.sign(kernel) * np.float32(stddev), np.float32(0))


def rescaled(kernel: Kernel, mask: Mask) -> Kernel:
    """Kept weights divided by the layer's density, so that a unit's input keeps its size.

    A mask that keeps nothing gives zeros.
    """
    factor = np.float32(mask.size / max(1, np.count_nonzero(mask)))
    return np.where(mask, kernel * factor, np.float32(0))
