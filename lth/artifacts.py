"""The names of everything a run leaves behind: one place for all of them."""

from collections.abc import Callable
from dataclasses import dataclass

NPZ, JSON, PNG, SVG = "application/x-npz", "application/json", "image/png", "image/svg+xml"

MASKS = "masks.npz"
"""Boolean arrays ``level-N/LAYER`` of every pruned level; True = kept."""
INITIAL_WEIGHTS = "weights/initial.npz"
REPORT = "report.json"
SUMMARY = "summary.json"

LEARNING_CURVES = "plots/learning"
WEIGHTS = "plots/weights"
MASK_PICTURE = "plots/mask"
SPARSITY = "plots/sparsity"
LAYERS = "plots/layers"
"""Names of plots without their ending: each is there as PNG and as SVG."""


def level_weights(level: int) -> str:
    """The trained weights of a level: float32 arrays by the variable's path."""
    return f"weights/level-{level}.npz"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a run leaves behind; `content` makes its bytes when they are wanted."""

    name: str
    media_type: str
    content: Callable[[], bytes]
