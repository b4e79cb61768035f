"""What the members of every family share: criteria, resets, schedules, networks, data sets ...

A family is an explicit union of frozen pydantic models, told apart by ``kind``. From that union
derive the HTTP schema, the catalogue, the command line and the contract tests, so that a new
member is one class and one line. A member without required parameters may be written as its bare
kind: ``criterion: large_final`` means ``criterion: {kind: large_final}``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict

_NO_ALIASES: Mapping[str, str] = MappingProxyType({})


class Member(BaseModel):
    """One member of a family: its ``kind``, its parameters, and the method that does the work."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class _ByName:
    aliases: Mapping[str, str]

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str):
            value = {"kind": value}
        if isinstance(value, dict) and isinstance(value.get("kind"), str):
            kind: str = value["kind"]
            return {**value, "kind": self.aliases.get(kind, kind)}
        return value


def by_name(aliases: Mapping[str, str] = _NO_ALIASES) -> BeforeValidator:
    """Let a family's field be written as a bare kind, and accept the original's short names."""
    return BeforeValidator(_ByName(aliases))


def aliases_of(family: Any) -> Mapping[str, str]:
    """The short names that a family accepts, each with the kind that it stands for."""
    for part in get_args(family)[1:]:
        if isinstance(part, BeforeValidator) and isinstance(part.func, _ByName):
            return part.func.aliases
    return _NO_ALIASES


def members(family: Any) -> tuple[type[Member], ...]:
    """The member classes of a family, in the order of its union.

    Args:
        family: an ``Annotated[A | B | ..., Field(discriminator="kind"), ...]``.
    """
    union = get_args(family)[0]
    return get_args(union) or (union,)


def kind_of(member: type[Member]) -> str:
    """The ``kind`` that names a member in a spec."""
    (kind,) = get_args(member.model_fields["kind"].annotation)
    return kind
