"""The values of pruned weights, and of the weights of an untrained masked network.

Reference: Zhou et al. 2019, arXiv:1905.01067, sections 4 ("mask-0 actions") and 5 (supermasks).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kernel = NDArray[np.float32]
Mask = NDArray[np.bool_]

PrunedWeights = Literal["zero", "initial", "initial_if_grown"]
"""``zero``, ``initial`` (the initial value), or ``initial_if_grown`` (the initial value, unless
training moved the weight towards zero)."""


def pruned_values(kind: PrunedWeights, initial: Kernel, final: Kernel, mask: Mask) -> Kernel:
    """The values at which pruned weights are frozen, float32; zero where the mask keeps.

    A weight that was frozen at an earlier level keeps its value.

    Args:
        kind: which value.
        initial: the weights at the start of the current training, float32.
        final: the weights at its end, float32; weights that are already frozen have their frozen
            value.
        mask: mask of the next level; True = kept.
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
    """Replace each kept weight by its sign times `stddev` of the initial weights."""
    return np.where(mask, np.sign(kernel) * np.float32(stddev), np.float32(0))


def rescaled(kernel: Kernel, mask: Mask) -> Kernel:
    """Divide the kept weights by the density of the layer, to keep the scale of its outputs.

    A mask that keeps nothing gives zeros.
    """
    factor = np.float32(mask.size / max(1, np.count_nonzero(mask)))
    return np.where(mask, kernel * factor, np.float32(0))
