"""Schedules: the density of a layer at each level.

To add one, extend `Schedule`; other packages add members through the entry-point group
``lth.schedules``.

The `rate` of a layer scales the share that a round prunes. With the rate 0.5, the output layer
loses half the fraction in each round, as in Frankle & Carbin 2019.
"""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from lth.core.extensions import extended
from lth.core.family import ByName
from lth.pruning.schedules._base import Once, ScheduleContract
from lth.pruning.schedules.external import ExternalSchedule
from lth.pruning.schedules.geometric import Geometric
from lth.pruning.schedules.linear import Linear
from lth.pruning.schedules.one_shot import OneShot

Schedule = Annotated[
    OneShot | Geometric | Linear, Field(discriminator="kind"), ByName(external=ExternalSchedule)
]
if not TYPE_CHECKING:
    Schedule = extended(Schedule, "lth.schedules", ("densities",))

__all__ = [
    "ExternalSchedule",
    "Geometric",
    "Linear",
    "Once",
    "OneShot",
    "Schedule",
    "ScheduleContract",
]
