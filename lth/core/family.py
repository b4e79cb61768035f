"""The base of all families: criteria, resets, schedules, networks, data sets, and others.

A family is an explicit union of frozen pydantic models with a field ``kind``. The HTTP schema, the
catalogue, the command line and the contract tests derive from the union, so a new member is one
class and one line. A member without required parameters may be written as its kind alone:
``criterion: large_final`` means ``criterion: {kind: large_final}``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, get_args

from pydantic import GetCoreSchemaHandler, ValidationError
from pydantic_core import core_schema

from lth.core.constructing import Checked

_NO_ALIASES: Mapping[str, str] = MappingProxyType({})


class Member(Checked):
    """A member of a family, with its ``kind``, its parameters, and a method that does the work."""


class OwnMembers(Protocol):
    """Turns objects and functions of a user into members; see `lth.core.external.External`."""

    def accepts(self, value: Any) -> bool: ...

    def of(self, value: Any) -> Member: ...

    def read(self, document: Mapping[str, Any]) -> Member | None: ...


@dataclass(frozen=True, slots=True)
class ByName:
    """Allows a field of a family to be a kind, or a short name of the original library.

    Attributes:
        aliases: the short names, with their kinds.
        external: the class of the user's own members; None if the family takes none.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    external: OwnMembers | None = None

    def __get_pydantic_core_schema__(
        self, family: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        whole = handler(family)
        bare = [kind_of(member) for member in _in_union(family) if _says_it_all(member)]
        bare += [alias for alias, kind in self.aliases.items() if kind in bare]
        written = core_schema.union_schema([core_schema.literal_schema(bare), whole])
        asked = written if bare else whole
        if self.external is None:
            return core_schema.no_info_before_validator_function(
                self._in_full, whole, json_schema_input_schema=asked
            )
        return core_schema.no_info_wrap_validator_function(
            self._accepted,
            whole,
            json_schema_input_schema=asked,
            serialization=core_schema.wrap_serializer_function_ser_schema(
                _serialized, schema=whole
            ),
        )

    def _accepted(self, value: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
        assert self.external is not None
        if self.external.accepts(value):
            return self.external.of(value)
        if isinstance(value, Mapping) and (read := self.external.read(value)) is not None:
            return read
        return handler(self._in_full(value))

    def _in_full(self, value: Any) -> Any:
        return {"kind": self.aliases.get(value, value)} if isinstance(value, str) else value


def _serialized(value: Any, handler: core_schema.SerializerFunctionWrapHandler) -> Any:
    """A member as plain data; those of a user are not part of the union."""
    plain = isinstance(value, Member) and kind_of(type(value)) == "external"
    return value.model_dump(mode="json") if plain else handler(value)


def aliases_of(family: Any) -> Mapping[str, str]:
    """The short names that a family accepts, with their kinds."""
    for part in get_args(family)[1:]:
        if isinstance(part, ByName):
            return part.aliases
    return _NO_ALIASES


def members(family: Any) -> tuple[type[Member], ...]:
    """The member classes of a family, in the order of its union.

    Args:
        family: an ``Annotated[A | B | ..., Field(discriminator="kind"), ...]``.
    """
    return _in_union(get_args(family)[0])


def kind_of(member: type[Member]) -> str:
    """The ``kind`` that names a member in a spec."""
    (kind,) = get_args(member.model_fields["kind"].annotation)
    return kind


def _in_union(union: Any) -> tuple[type[Member], ...]:
    return get_args(union) or (union,)


def _says_it_all(member: type[Member]) -> bool:
    """Whether a member has no required parameters."""
    try:
        member.model_validate({"kind": kind_of(member)})
    except ValidationError:
        return False
    return True
