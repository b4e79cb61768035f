"""Methods: pruning and a reset, or a control of another experiment."""

from itertools import product
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from lth.core.family import Member, kind_of
from lth.pruning.controls import Control
from lth.pruning.criteria import Criterion, LargeFinal
from lth.pruning.pruned_values import PrunedWeights
from lth.pruning.schedules import OneShot, Schedule
from lth.pruning.scopes import LayerScope, Scope
from lth.reinit import Reinit, Rewind

_RESERVED = {"trunk": "the dense training", "dense": "level 0 in comparisons"}


def _not_reserved(name: str) -> str:
    if name in _RESERVED:
        raise ValueError(f"'{name}' is the name of {_RESERVED[name]}; take another one")
    return name


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$"), AfterValidator(_not_reserved)]
"""A name of an experiment; it is also part of artifact names."""


class Document(BaseModel):
    """A part of a spec: frozen, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pruning(Document):
    """Which weights are pruned, how many of them, and when."""

    criterion: Criterion = LargeFinal(kind="large_final")
    schedule: Schedule = OneShot(kind="one_shot", sparsity=0.8)
    scope: Scope = LayerScope(kind="layer")
    pruned_weights: PrunedWeights = Field(
        default="zero",
        description="what pruned weights become: zero, their initial value, or their initial "
        "value unless training moved them towards zero (Zhou et al. 2019, section 4)",
    )


class Method(Document):
    """One method to find a ticket: pruning, then a reset."""

    pruning: Pruning = Pruning()
    reinit: Reinit = Rewind(kind="rewind")

    def extends(self, other: "Method") -> bool:
        """Whether another method differs in nothing but that its schedule ends earlier."""
        ours, theirs = (each.pruning.schedule.densities(1.0) for each in (self, other))
        schedule = {"schedule": other.pruning.schedule}
        same = {"pruning": self.pruning.model_copy(update=schedule)}
        return other == self.model_copy(update=same) and ours[: len(theirs)] == theirs


class Ticket(Method):
    """An experiment of a session that finds a ticket."""

    name: Name


class ControlExperiment(Document):
    """An experiment of a session that uses the masks of another one."""

    name: Name
    control: Control


_TICKET, _CONTROL = "a ticket", "a control"
"""Tags in pydantic's error locations; they are not field names."""


def _kind_of_experiment(value: Any) -> str:
    if isinstance(value, dict):
        return _CONTROL if "control" in value else _TICKET
    return _CONTROL if isinstance(value, ControlExperiment) else _TICKET


Experiment = Annotated[
    Annotated[Ticket, Tag(_TICKET)] | Annotated[ControlExperiment, Tag(_CONTROL)],
    Discriminator(_kind_of_experiment),
]


class Grid(Document):
    """Every combination of a criterion and a reset."""

    criteria: tuple[Criterion, ...] = Field(min_length=1, max_length=100)
    reinit: tuple[Reinit, ...] = Field(min_length=1, max_length=100)
    pruning: Pruning = Field(default=Pruning(), description="shared by all, but for the criterion")

    @property
    def cells(self) -> tuple[Ticket, ...]:
        """The experiments of the grid, named after their criterion and reset."""
        return tuple(
            Ticket(
                name=f"{_said(criterion)}.{_said(reinit)}"[:64],
                pruning=self.pruning.model_copy(update={"criterion": criterion}),
                reinit=reinit,
            )
            for criterion, reinit in product(self.criteria, self.reinit)
        )


def _said(member: Member) -> str:
    """A member as part of a name: its kind, then the parameters that differ from their defaults."""
    parameters = member.model_dump(mode="json", exclude={"kind"}, exclude_defaults=True)
    words = [name if value is True else f"{name}-{value}" for name, value in parameters.items()]
    return "-".join([kind_of(type(member)), *words])
