"""How much is pruned at each round. Add a member to `Schedule`.

A schedule says which share of a layer is still there at each level. A layer's own `rate` scales
what a round takes from it: 0.5 for the output layer means half the fraction, each round, as in
Frankle & Carbin 2019.
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
