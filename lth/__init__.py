"""Lottery Ticket Hypothesis experiments.

Each name below is imported when it is first used. Specs, plans, results and statistics need no
TensorFlow; the classes that train networks load it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from lth.core.errors import (
        DatasetMissing,
        Diverged,
        LotteryError,
        NothingToPrune,
        SpecError,
        Stopped,
    )
    from lth.datasets import ArrayDataset
    from lth.engine.layers import LotteryConv2D, LotteryLinear, lottery_network
    from lth.engine.observer import Observer, Printing, Progress
    from lth.spec.document import parse_spec, spec_hash
    from lth.spec.plan import plan
    from lth.study.model import LotteryModel
    from lth.study.robust import LotteryRobust
    from lth.study.session import LotterySession
    from lth.training.settings import Training

_MODULES = {
    "ArrayDataset": "lth.datasets",
    "DatasetMissing": "lth.core.errors",
    "Diverged": "lth.core.errors",
    "LotteryConv2D": "lth.engine.layers",
    "LotteryError": "lth.core.errors",
    "LotteryLinear": "lth.engine.layers",
    "LotteryModel": "lth.study.model",
    "LotteryRobust": "lth.study.robust",
    "LotterySession": "lth.study.session",
    "NothingToPrune": "lth.core.errors",
    "Observer": "lth.engine.observer",
    "Printing": "lth.engine.observer",
    "Progress": "lth.engine.observer",
    "SpecError": "lth.core.errors",
    "Stopped": "lth.core.errors",
    "Training": "lth.training.settings",
    "lottery_network": "lth.engine.layers",
    "parse_spec": "lth.spec.document",
    "plan": "lth.spec.plan",
    "spec_hash": "lth.spec.document",
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
    "Observer",
    "Printing",
    "Progress",
    "SpecError",
    "Stopped",
    "Training",
    "__version__",
    "lottery_network",
    "parse_spec",
    "plan",
    "spec_hash",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("lth")
    if name not in _MODULES:
        raise AttributeError(f"module 'lth' has no attribute '{name}'")
    try:
        value = getattr(import_module(_MODULES[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NOTEBOOK:
            raise
        raise ImportError(
            f"lth.{name} needs the package {error.name}, which is not installed: "
            "pip install 'lth[notebook]'"
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
