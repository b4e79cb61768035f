"""Members of families that installed packages add through entry points.

A package names a class in an entry-point group, such as ``lth.criteria``. The class is then a
member like those of this library: in specs, in the HTTP schema, in the catalogue and in the command
line. Only an operator can install packages; a spec contains no code.

A module is imported while its family is built. So it contains members of one family alone, and
imports of this library nothing but `lth.core` and the package of its family.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, Union, get_args

from pydantic import BaseModel

from lth.core.family import Member, kind_of, members


class BadExtension(ImportError):
    """An installed package adds a member that cannot be used. Nothing starts until it is fixed."""


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package, and its version."""

    name: str
    version: str


_PACKAGES: dict[type[Member], Package] = {}


def extended(family: Any, group: str, methods: Sequence[str]) -> Any:
    """A family with the members that installed packages add to it.

    Args:
        family: ``Annotated[A | B | ..., Field(discriminator="kind"), ...]``.
        group: the entry-point group.
        methods: the methods that a member must have.

    Raises:
        BadExtension: if a package cannot be imported, if its member breaks the contract of the
            family, or if two members have the same kind.
    """
    found = sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value))
    if not found:
        return family
    owners: dict[str, str] = {kind_of(member): "lth" for member in members(family)}
    added: list[type[Member]] = []
    for entry in found:
        member, package = _loaded(entry, group, methods)
        kind = kind_of(member)
        if kind in owners:
            raise BadExtension(
                f"{owners[kind]} and {package.name} both add '{kind}' to {group}; uninstall one of "
                "them, or rename its kind"
            )
        owners[kind] = package.name
        _PACKAGES[member] = package
        added.append(member)
    union = Union[(*members(family), *added)]
    return Annotated[(union, *get_args(family)[1:])]  # pyright: ignore[reportInvalidTypeForm]


def package_of(member: type[Member]) -> Package | None:
    """The package that adds a member; None for members of this library."""
    return _PACKAGES.get(member)


def packages_in(document: Any) -> Mapping[str, Package]:
    """The packages whose members a document contains, by the kinds of the members."""
    return {
        kind_of(type(member)): package
        for member in _members_in(document)
        if (package := package_of(type(member))) is not None
    }


def _members_in(value: Any) -> Iterator[Member]:
    if isinstance(value, Member):
        yield value
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _members_in(getattr(value, name))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _members_in(each)


def _loaded(entry: EntryPoint, group: str, methods: Sequence[str]) -> tuple[type[Member], Package]:
    dist = entry.dist
    package = Package(dist.name, dist.version) if dist else Package(entry.module, "unknown")
    where = f"{entry.value} of {package.name} {package.version}, in {group},"
    try:
        member = entry.load()
    except ImportError as error:
        advice = "keep the members of each family in a module of its own"
        raise BadExtension(f"{where} cannot be imported ({error}); {advice}") from error
    except Exception as error:
        raise BadExtension(f"{where} cannot be imported: {error}") from error
    if not (isinstance(member, type) and issubclass(member, Member)):
        raise BadExtension(f"{where} is no class derived from lth.core.family.Member")
    missing = [name for name in methods if not callable(getattr(member, name, None))]
    if missing:
        raise BadExtension(f"{where} has no method {missing[0]}()")
    try:
        kind_of(member)
    except (KeyError, ValueError):
        raise BadExtension(f"{where} has no field 'kind: Literal[\"a-name\"]'") from None
    return member, package
