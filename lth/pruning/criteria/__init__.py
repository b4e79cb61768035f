"""Criteria: they score weights, and the largest scores are kept.

Each file has one member. To add one, extend `Criterion`; other packages add members through the
entry-point group ``lth.criteria``. The names are those of Zhou et al. 2019,
arXiv:1905.01067. The short names of the original library are accepted as input.
"""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from lth.core.extensions import extended
from lth.core.family import ByName
from lth.pruning.criteria._base import CriterionContract, Survivors
from lth.pruning.criteria.external import ExternalCriterion
from lth.pruning.criteria.large_final import LargeFinal
from lth.pruning.criteria.large_final_diff_sign import LargeFinalDiffSign
from lth.pruning.criteria.large_final_same_sign import LargeFinalSameSign
from lth.pruning.criteria.large_init import LargeInit
from lth.pruning.criteria.large_init_large_final import LargeInitLargeFinal
from lth.pruning.criteria.magnitude_increase import MagnitudeIncrease
from lth.pruning.criteria.magnitude_increase_diff_sign import MagnitudeIncreaseDiffSign
from lth.pruning.criteria.magnitude_increase_same_sign import MagnitudeIncreaseSameSign
from lth.pruning.criteria.movement import Movement
from lth.pruning.criteria.random import Random
from lth.pruning.criteria.small_final import SmallFinal
from lth.pruning.criteria.small_init import SmallInit
from lth.pruning.criteria.small_init_small_final import SmallInitSmallFinal
from lth.pruning.criteria.snip import Snip

ALIASES = {
    "lf": "large_final",
    "lilf": "large_init_large_final",
    "mi": "magnitude_increase",
    "mov": "movement",
    "lfss": "large_final_same_sign",
}

Criterion = Annotated[
    LargeFinal
    | SmallFinal
    | LargeInit
    | SmallInit
    | LargeInitLargeFinal
    | SmallInitSmallFinal
    | MagnitudeIncrease
    | Movement
    | LargeFinalSameSign
    | LargeFinalDiffSign
    | MagnitudeIncreaseSameSign
    | MagnitudeIncreaseDiffSign
    | Random
    | Snip,
    Field(discriminator="kind"),
    ByName(ALIASES, ExternalCriterion),
]
if not TYPE_CHECKING:
    Criterion = extended(Criterion, "lth.criteria", ("scores",))

__all__ = [
    "ALIASES",
    "Criterion",
    "CriterionContract",
    "ExternalCriterion",
    "LargeFinal",
    "LargeFinalDiffSign",
    "LargeFinalSameSign",
    "LargeInit",
    "LargeInitLargeFinal",
    "MagnitudeIncrease",
    "MagnitudeIncreaseDiffSign",
    "MagnitudeIncreaseSameSign",
    "Movement",
    "Random",
    "SmallFinal",
    "SmallInit",
    "SmallInitSmallFinal",
    "Snip",
    "Survivors",
]
