from typing import Annotated, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from lth.core.family import ByName, Member, aliases_of, kind_of, members
from lth.spec.catalogue import FAMILIES


class Apple(Member):
    """An apple."""

    kind: Literal["apple"]
    weight: float = 1.0


class Pear(Member):
    """A pear."""

    kind: Literal["pear"]
    stalk: int


Fruit = Annotated[Apple | Pear, Field(discriminator="kind"), ByName({"ap": "apple"})]
FRUIT = TypeAdapter(Fruit)
ALL = [
    pytest.param(member, id=f"{name}/{kind_of(member)}")
    for name, family in FAMILIES.items()
    for member in members(family)
]


@pytest.mark.parametrize("written", ["apple", {"kind": "apple"}, "ap"])
def test_a_member_can_be_given_by_its_kind_or_alias(written):
    assert FRUIT.validate_python(written) == Apple(kind="apple")


def test_a_member_object_is_accepted():
    assert FRUIT.validate_python(Pear(kind="pear", stalk=2)).stalk == 2


@pytest.mark.parametrize(
    "written", ["pear", "plum", {"kind": "apple", "stalk": 1}, {"kind": "ap"}, {}, 3, None]
)
def test_a_value_that_is_not_a_member_is_refused(written):
    """An alias within an object is refused too, as in the schema."""
    with pytest.raises(ValidationError):
        FRUIT.validate_python(written)


def test_a_family_has_a_list_of_members_and_aliases():
    assert [kind_of(member) for member in members(Fruit)] == ["apple", "pear"]
    assert dict(aliases_of(Fruit)) == {"ap": "apple"}


def test_a_family_can_have_one_member():
    assert members(Annotated[Apple, Field(discriminator="kind")]) == (Apple,)


@pytest.mark.parametrize("member", ALL)
def test_every_member_is_frozen_and_refuses_unknown_fields(member):
    assert member.model_config["frozen"]
    assert member.model_config["extra"] == "forbid"


@pytest.mark.parametrize("member", ALL)
def test_no_kind_has_a_default(member):
    """The canonical form would omit a default kind, and could not distinguish members."""
    assert member.model_fields["kind"].is_required()


@pytest.mark.parametrize("member", ALL)
def test_every_member_has_a_docstring_with_a_short_first_line(member):
    assert member.__doc__
    assert len(member.__doc__.splitlines()[0]) <= 100


@pytest.mark.parametrize("name", FAMILIES)
def test_kinds_differ_within_a_family(name):
    kinds = [kind_of(member) for member in members(FAMILIES[name])]
    assert len(set(kinds)) == len(kinds)
    assert set(aliases_of(FAMILIES[name]).values()) <= set(kinds)


def test_the_schema_of_a_family_allows_kinds_and_objects():
    bare, whole = FRUIT.json_schema()["anyOf"]
    assert bare == {"type": "string", "enum": ["apple", "ap"]}
    assert whole["discriminator"]["propertyName"] == "kind"
    assert FRUIT.json_schema(mode="serialization").keys() == {"$defs", *whole}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_bare_kind_of_the_schema_is_accepted(name):
    family = TypeAdapter(FAMILIES[name])
    allowed, _ = family.json_schema().get("anyOf", ({}, None))
    for kind in allowed.get("enum", [allowed.get("const")]):
        assert kind is None or family.validate_python(kind)
