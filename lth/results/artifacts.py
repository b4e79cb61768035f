"""The names of everything a run or a job leaves behind: one place for all of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

JOB = "report"
"""The first part of the names of a whole job's files, where a run's files have the run's key."""

NPZ, JSON, CSV = "application/x-npz", "application/json", "text/csv"
PNG, SVG = "image/png", "image/svg+xml"

MASKS = "masks.npz"
"""Boolean arrays ``level-N/LAYER`` of every pruned level; True = kept."""
INITIAL_WEIGHTS = "weights/initial.npz"
REPORT = "report.json"
SUMMARY = "summary.json"
LEVELS = "levels.csv"
"""One row a trial, experiment and level: `lth.results.records`."""

LEARNING_CURVES = "plots/learning"
WEIGHTS = "plots/weights"
MASK_PICTURE = "plots/mask"
SPARSITY = "plots/sparsity"
LAYERS = "plots/layers"
SUPERMASK = "plots/supermask"
"""Names of pictures without their ending."""

RUN_PICTURES = (LEARNING_CURVES, WEIGHTS, MASK_PICTURE, SPARSITY, LAYERS, SUPERMASK)
"""What there is of each experiment."""
JOB_PICTURES = (LEARNING_CURVES, SPARSITY, SUPERMASK)
"""What there is of all experiments and trials together."""

Format = Literal["png", "svg"]
MEDIA_TYPES: Mapping[Format, str] = {"png": PNG, "svg": SVG}
FORMATS: Mapping[str, tuple[Format, ...]] = {"none": (), "png": ("png",), "png_svg": ("png", "svg")}
"""The endings that pictures have, by a spec's ``plots``."""


def as_json(document: Any) -> bytes:
    """A document as the bytes of its file."""
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False).encode()


def level_weights(level: int) -> str:
    """The trained weights of a level: float32 arrays by the variable's path."""
    return f"weights/level-{level}.npz"


def sources(picture: str, last: int) -> tuple[str, ...]:
    """The files of a run that a picture of it is drawn from, beside its result.

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
    """A file that a run leaves behind; `content` makes its bytes when they are wanted."""

    name: str
    media_type: str
    content: Callable[[], bytes]
