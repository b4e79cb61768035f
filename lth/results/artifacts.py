"""The names of all files of a run or a job."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

JOB = "report"
"""The first part of the names of files that belong to the whole job instead of a run."""

NPZ, JSON, CSV = "application/x-npz", "application/json", "text/csv"
PNG, SVG = "image/png", "image/svg+xml"

MASKS = "masks.npz"
"""Boolean arrays ``level-N/LAYER`` of every pruned level; True = kept."""
INITIAL_WEIGHTS = "weights/initial.npz"
REPORT = "report.json"
SUMMARY = "summary.json"
LEVELS = "levels.csv"
"""One row for each trial, experiment and level: `lth.results.records`."""

LEARNING_CURVES = "plots/learning"
WEIGHTS = "plots/weights"
MASK_PICTURE = "plots/mask"
SPARSITY = "plots/sparsity"
LAYERS = "plots/layers"
SUPERMASK = "plots/supermask"
"""Names of pictures, without the file extension."""

RUN_PICTURES = (LEARNING_CURVES, WEIGHTS, MASK_PICTURE, SPARSITY, LAYERS, SUPERMASK)
"""Pictures of one experiment."""
JOB_PICTURES = (LEARNING_CURVES, SPARSITY, SUPERMASK)
"""Pictures that compare experiments and trials."""

Format = Literal["png", "svg"]
MEDIA_TYPES: Mapping[Format, str] = {"png": PNG, "svg": SVG}
FORMATS: Mapping[str, tuple[Format, ...]] = {"none": (), "png": ("png",), "png_svg": ("png", "svg")}
"""The file extensions of pictures, by the ``plots`` of a spec."""


def as_json(document: Any) -> bytes:
    """A document as the bytes of a JSON file."""
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False).encode()


def level_weights(level: int) -> str:
    """The file of a level's trained weights: float32 arrays by variable path."""
    return f"weights/level-{level}.npz"


def sources(picture: str, last: int) -> tuple[str, ...]:
    """The files of a run from which a picture is drawn, besides its result.

    Args:
        picture: one of `RUN_PICTURES`.
        last: number of the run's last level.
    """
    masks = MASKS if last else INITIAL_WEIGHTS
    if picture == WEIGHTS:
        return tuple(dict.fromkeys((INITIAL_WEIGHTS, level_weights(last), masks)))
    return (masks,) if picture == MASK_PICTURE else ()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a run; `content` creates its bytes when they are needed."""

    name: str
    media_type: str
    content: Callable[[], bytes]
