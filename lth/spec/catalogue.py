"""The catalogue: all members of all families, derived from their unions."""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lth.core.family import Member, aliases_of, kind_of, members
from lth.datasets import Dataset
from lth.networks.layers import Layer
from lth.networks.presets import Network
from lth.pruning.controls import Control
from lth.pruning.criteria import Criterion
from lth.pruning.schedules import Schedule
from lth.pruning.scopes import Scope
from lth.reinit import Reinit
from lth.training.optimizers import Optimizer
from lth.training.optimizers.decay import Decay

FAMILIES: dict[str, Any] = {
    "criteria": Criterion,
    "schedules": Schedule,
    "scopes": Scope,
    "reinit": Reinit,
    "controls": Control,
    "datasets": Dataset,
    "networks": Network,
    "layers": Layer,
    "optimizers": Optimizer,
    "decays": Decay,
}
"""The unions, by their names in the catalogue."""


class CatalogueEntry(BaseModel):
    """One member of a family."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    kind: str = Field(description="the name that a spec gives as 'kind'")
    aliases: tuple[str, ...] = Field(
        description="short names that may stand in a spec instead of the whole object"
    )
    summary: str = Field(description="what it is, in a line")
    description: str = Field(description="the same at length, with the papers it comes from")
    parameters: dict[str, Any] = Field(
        serialization_alias="schema", description="JSON schema of the member"
    )


Catalogue = dict[str, tuple[CatalogueEntry, ...]]


@cache
def catalogue() -> Catalogue:
    """Every member of every family."""
    return {
        name: tuple(_entry(member, aliases_of(family)) for member in members(family))
        for name, family in FAMILIES.items()
    }


def _entry(member: type[Member], aliases: Mapping[str, str]) -> CatalogueEntry:
    kind = kind_of(member)
    description = inspect.getdoc(member) or ""
    return CatalogueEntry(
        kind=kind,
        aliases=tuple(alias for alias, full in aliases.items() if full == kind),
        summary=description.partition("\n\n")[0].replace("\n", " "),
        description=description,
        parameters=member.model_json_schema(),
    )
