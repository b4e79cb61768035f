"""The catalogue derives from the unions that validate specs."""

import pytest

from lth.core.family import members
from lth.spec.catalogue import FAMILIES, catalogue


@pytest.mark.parametrize("name", FAMILIES)
def test_every_member_of_a_family_is_listed_once(name):
    entries = catalogue()[name]
    assert len({entry.kind for entry in entries}) == len(members(FAMILIES[name]))


def test_an_entry_has_a_description_aliases_and_parameters():
    (entry,) = (e for e in catalogue()["criteria"] if e.kind == "large_final")
    assert entry.aliases == ("lf",)
    assert entry.summary in entry.description
    assert entry.parameters["properties"]["kind"]["const"] == "large_final"


@pytest.mark.parametrize("name", FAMILIES)
def test_every_member_has_a_description(name):
    assert [entry.kind for entry in catalogue()[name] if not entry.summary] == []
