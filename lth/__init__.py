"""Lottery Ticket Hypothesis experiments.

Specs, plans, results and statistics need no TensorFlow. The classes that train networks load
TensorFlow when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lth.core.errors import (
    DatasetMissing,
    Diverged,
    LotteryError,
    NothingToPrune,
    SpecError,
    Stopped,
)
from lth.datasets import ArrayDataset
from lth.engine.observer import Printing
from lth.spec.document import parse_spec, spec_hash
from lth.spec.plan import plan
from lth.training.settings import Training

if TYPE_CHECKING:
    from lth.engine.layers import LotteryConv2D, LotteryLinear
    from lth.study.model import LotteryModel
    from lth.study.robust import LotteryRobust
    from lth.study.session import LotterySession

_HEAVY = {
    "LotteryConv2D": "lth.engine.layers",
    "LotteryLinear": "lth.engine.layers",
    "LotteryModel": "lth.study.model",
    "LotteryRobust": "lth.study.robust",
    "LotterySession": "lth.study.session",
}
_NOTEBOOK = frozenset({"keras", "matplotlib", "scipy", "sklearn", "tensorflow"})
"""Packages that only the extra ``notebook`` installs."""

__all__ = [
    "ArrayDataset",
    "DatasetMissing",
    "Diverged",
    "LotteryConv2D",
    "LotteryError",
    "LotteryLinear",
    "LotteryModel",
    "LotteryRobust",
    "LotterySession",
    "NothingToPrune",
    "Printing",
    "SpecError",
    "Stopped",
    "Training",
    "parse_spec",
    "plan",
    "spec_hash",
]


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module 'lth' has no attribute '{name}'")
    try:
        return getattr(import_module(_HEAVY[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NOTEBOOK:
            raise
        raise ImportError(
            f"lth.{name} needs the package {error.name}, which is not installed: "
            "pip install 'lth[notebook]'"
        ) from error
