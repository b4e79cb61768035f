"""How many weights of each layer a mask keeps."""

from collections.abc import Mapping

import numpy as np

from lth.pruning.masks import Mask
from lth.results.schemas import LayerDensity


def layer_table(masks: Mapping[str, Mask]) -> tuple[LayerDensity, ...]:
    """The kept weights of each layer, in the order of `masks` (bool by layer name; True = kept)."""
    return tuple(
        LayerDensity(
            name=name,
            kept=int(np.count_nonzero(mask)),
            total=mask.size,
            density=np.count_nonzero(mask) / mask.size,
        )
        for name, mask in masks.items()
    )
