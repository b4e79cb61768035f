"""Resets: they set the surviving weights before the next training.

Each file has one member. To add one, extend `Reinit`; other packages add members through the
entry-point group ``lth.reinit``.
"""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from lth.core.extensions import extended
from lth.core.family import ByName
from lth.reinit._base import KernelState, ReinitContract
from lth.reinit.constant import Constant
from lth.reinit.external import ExternalReinit
from lth.reinit.jitter import Jitter
from lth.reinit.learning_rate import LearningRate
from lth.reinit.none import NoReset
from lth.reinit.random import Random
from lth.reinit.reshuffle import Reshuffle
from lth.reinit.rewind import Rewind

Reinit = Annotated[
    Rewind | Jitter | Random | Reshuffle | Constant | NoReset | LearningRate,
    Field(discriminator="kind"),
    ByName(external=ExternalReinit),
]
if not TYPE_CHECKING:
    Reinit = extended(Reinit, "lth.reinit", ("reset", "learning_rates"))

__all__ = [
    "Constant",
    "ExternalReinit",
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
