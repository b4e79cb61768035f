"""Scopes: which weights are ranked together, and the rate of each layer."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self

from pydantic import Field, model_validator

from lth.core.external import External
from lth.core.family import ByName, Member

Role = Literal["dense", "convolution", "output"]
"""The role of a prunable layer. The layer of the logits is the output layer, whatever its type."""


class ScopeContract(Protocol):
    """The contract of a scope: its `kind`, its parameters, and the rate of each layer."""

    ranks_together: ClassVar[bool]
    """Whether all layers with a rate above 0 are ranked together, or each by itself."""

    def rate(self, role: Role) -> float:
        """The rate of a layer, in [0, 1], by which the schedule's fraction is multiplied."""
        ...


class ExternalScope(External):
    """A scope of the user: an object with the method `ScopeContract.rate`.

    An attribute ``ranks_together = True`` ranks all layers together.
    """

    family: ClassVar[str] = "scope"
    method: ClassVar[str] = "rate"

    ranks_together: bool = False

    @classmethod
    def facts(cls, value: Any) -> Mapping[str, Any]:
        return {"ranks_together": bool(getattr(value, "ranks_together", False))}

    def rate(self, role: Role) -> float:
        rate = float(self.call(role))
        if not 0 <= rate <= 1:
            raise self.wrong(f"the rate {rate} for '{role}'", "a number from 0 to 1")
        return rate


class LayerScope(Member):
    """Each layer ranks its own weights. The rates multiply the schedule's fraction.

    The defaults are those of the paper: half the rate for convolutions and for the output layer,
    and three quarters for the convolutions of conv-6.

    Reference: Frankle & Carbin 2019, arXiv:1803.03635, figure 2.
    """

    ranks_together: ClassVar[bool] = False

    kind: Literal["layer"]
    dense: float = Field(
        default=1.0, ge=0, le=1, description="dense layers before the output layer"
    )
    convolution: float = Field(
        default=0.5, ge=0, le=1, description="convolutions; without it, 0.75 in conv-6"
    )
    output: float = Field(default=0.5, ge=0, le=1, description="the output layer")

    @model_validator(mode="after")
    def _prunes_something(self) -> Self:
        if not (self.dense or self.convolution or self.output):
            raise ValueError("all rates are 0, so nothing is ever pruned; raise one of them")
        return self

    def rate(self, role: Role) -> float:
        return {"dense": self.dense, "convolution": self.convolution, "output": self.output}[role]


class GlobalScope(Member):
    """All prunable weights are ranked together, so layers get different densities.

    Reference: Frankle & Carbin 2019, arXiv:1803.03635, section 4 (deep networks).
    """

    ranks_together: ClassVar[bool] = True

    kind: Literal["global"]
    output: bool = Field(
        default=True, description="whether the output layer takes part or stays dense"
    )

    def rate(self, role: Role) -> float:
        return 0.0 if role == "output" and not self.output else 1.0


Scope = Annotated[
    LayerScope | GlobalScope, Field(discriminator="kind"), ByName(external=ExternalScope)
]
