"""Schedules: the density of a layer at each level. To add one, extend `Schedule`.

The `rate` of a layer scales the share that a round prunes. With the rate 0.5, the output layer
loses half the fraction in each round, as in Frankle & Carbin 2019.
"""

from typing import Annotated

from pydantic import Field

from lth.core.family import ByName
from lth.pruning.schedules._base import Once, ScheduleContract
from lth.pruning.schedules.geometric import Geometric
from lth.pruning.schedules.linear import Linear
from lth.pruning.schedules.one_shot import OneShot

Schedule = Annotated[OneShot | Geometric | Linear, Field(discriminator="kind"), ByName()]

__all__ = ["Geometric", "Linear", "Once", "OneShot", "Schedule", "ScheduleContract"]
