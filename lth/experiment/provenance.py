"""Which members of an experiment are not part of this library, for its result."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lth.core.extensions import Package, package_of
from lth.core.family import kind_of, members
from lth.pruning.criteria import Criterion
from lth.pruning.schedules import Schedule
from lth.pruning.scopes import Scope
from lth.reinit import Reinit
from lth.results.schemas import ExternalMember

_FAMILIES = {"criterion": Criterion, "schedule": Schedule, "scope": Scope, "reinit": Reinit}


def external_members(method: str, packages: Mapping[str, Package]) -> tuple[ExternalMember, ...]:
    """The members of other packages, and those that a notebook gave.

    Args:
        method: the method of an experiment as text; its JSON documents are read.
        packages: the packages of the network and the data set, by kind.
    """
    found = [
        ExternalMember(family=family, name=name, package=package.name, version=package.version)
        for (family, name), package in _of_packages(method).items()
    ]
    found += [
        ExternalMember(family="", name=kind, package=package.name, version=package.version)
        for kind, package in packages.items()
    ]
    found += [
        ExternalMember(family=family, name=member["name"], digest=member["digest"])
        for family, member in _parts(method)
        if member["kind"] == "external"
    ]
    return tuple(dict.fromkeys(found))


def _of_packages(method: str) -> Mapping[tuple[str, str], Package]:
    return {
        (family, member["kind"]): package
        for family, member in _parts(method)
        for known in members(_FAMILIES[family])
        if kind_of(known) == member["kind"] and (package := package_of(known)) is not None
    }


def _parts(method: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The members in the JSON documents of a text, with the names of their families."""
    decoder, start = json.JSONDecoder(), method.find("{")
    while start >= 0:
        document, end = decoder.raw_decode(method, start)
        yield from _members("reinit", document)
        start = method.find("{", end)


def _members(key: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, dict):
        if key in _FAMILIES and "kind" in value:
            yield key, value
        for name, each in value.items():
            yield from _members(name, each)
