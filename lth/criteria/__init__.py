"""Which weights stay. One file a member; add it to `Criterion`.

The names are those of Zhou et al. 2019, arXiv:1905.01067, table 1; the short names of the original
library are accepted as input.
"""

from typing import Annotated

from pydantic import Field

from lth.criteria._base import CriterionContract, Survivors
from lth.criteria.large_final import LargeFinal
from lth.family import by_name

ALIASES = {"lf": "large_final"}

Criterion = Annotated[LargeFinal, Field(discriminator="kind"), by_name(ALIASES)]

__all__ = ["ALIASES", "Criterion", "CriterionContract", "LargeFinal", "Survivors"]
