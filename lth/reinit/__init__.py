"""Resets: they set the surviving weights before the next training.

Each file has one member. To add one, extend `Reinit`.
"""

from typing import Annotated

from pydantic import Field

from lth.core.family import ByName
from lth.reinit._base import KernelState, ReinitContract
from lth.reinit.constant import Constant
from lth.reinit.jitter import Jitter
from lth.reinit.learning_rate import LearningRate
from lth.reinit.none import NoReset
from lth.reinit.random import Random
from lth.reinit.reshuffle import Reshuffle
from lth.reinit.rewind import Rewind

Reinit = Annotated[
    Rewind | Jitter | Random | Reshuffle | Constant | NoReset | LearningRate,
    Field(discriminator="kind"),
    ByName(),
]

__all__ = [
    "Constant",
    "Jitter",
    "KernelState",
    "LearningRate",
    "NoReset",
    "Random",
    "Reinit",
    "ReinitContract",
    "Reshuffle",
    "Rewind",
]
