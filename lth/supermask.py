"""Masked networks that were never trained, and what their pruned weights may be: pure NumPy.

Reference: Zhou et al. 2019, arXiv:1905.01067, sections 4 (mask-0 actions) and 5 (supermasks).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kernel = NDArray[np.float32]
Mask = NDArray[np.bool_]

PrunedWeights = Literal["zero", "initial", "initial_if_grown"]
"""What pruned weights become: zero; their initial value; their initial value if training moved
them away from zero, else zero."""


def pruned_values(kind: PrunedWeights, initial: Kernel, final: Kernel, mask: Mask) -> Kernel:
    """The constant values of a kernel's pruned weights, float32; zero where weights are kept.

    Args:
        kind: what pruned weights become.
        initial: the kernel that level 0 started from.
        final: the kernel that training ended with.
        mask: the survivors, bool.
    """
    frozen = ~mask
    if kind == "zero":
        frozen = np.zeros_like(mask)
    elif kind == "initial_if_grown":
        frozen = frozen & (np.abs(final) > np.abs(initial))
    return np.where(frozen, initial, np.float32(0)).astype(np.float32)


def signed_constant(kernel: Kernel, mask: Mask, stddev: float) -> Kernel:
    """Each kept weight replaced by its sign times `stddev`, float32; a zero stays zero."""
    return (np.sign(kernel) * np.float32(stddev) * mask).astype(np.float32)


def rescaled(kernel: Kernel, mask: Mask) -> Kernel:
    """Kept weights divided by the layer's density, so that its scale is the dense layer's."""
    kept = np.count_nonzero(mask)
    return (kernel * mask * np.float32(mask.size / max(kept, 1))).astype(np.float32)
