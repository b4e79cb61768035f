"""The identity of specs: round trips, stable hashes, and fields that do not count.

If a pinned hash changes, old results are no longer found by their spec. Fix the code, unless the
change is intended. A new member of a family gets a new line in pinned_hashes.json.
"""

import json
from pathlib import Path

import pytest

from lth.spec.document import canonical, parse_spec, spec_hash
from tests.lth.documents import document, members_of_families

PINNED = json.loads(Path(__file__).with_name("pinned_hashes.json").read_text())
MEMBERS = [pytest.param(*member, id="/".join(member)) for member in members_of_families()]


def hashed(**fields):
    return spec_hash(parse_spec({"kind": "model", **fields}))


@pytest.mark.parametrize(("family", "kind"), MEMBERS)
def test_the_hash_of_every_member_is_unchanged(family, kind):
    assert spec_hash(parse_spec(document(family, kind))) == PINNED[f"{family}/{kind}"]


def test_only_existing_members_are_pinned():
    assert set(PINNED) == {"/".join(member) for member in members_of_families()}


@pytest.mark.parametrize(("family", "kind"), MEMBERS)
def test_a_spec_survives_a_json_round_trip(family, kind):
    spec = parse_spec(document(family, kind))
    for text in (spec.model_dump_json(), canonical(spec)):
        again = parse_spec(json.loads(text))
        assert again == spec
        assert spec_hash(again) == spec_hash(spec)


def test_the_canonical_form_omits_defaults():
    assert canonical(parse_spec({"kind": "model"})) == '{"kind":"model"}'
    usual = {
        "dataset": "digits",
        "training": {"batch_size": 60, "duration": "20ep"},
        "pruning": {"criterion": "lf", "schedule": {"kind": "one_shot", "sparsity": 0.8}},
        "reinit": {"kind": "rewind", "to": "0it"},
    }
    assert hashed(**usual) == hashed()


def test_names_and_labels_do_not_change_the_hash():
    assert hashed(name="mine", labels={"team": "a"}) == hashed()
    assert hashed(seed=1) != hashed()


def test_an_alias_has_the_hash_of_its_name():
    assert hashed(pruning={"criterion": "mov"}) == hashed(pruning={"criterion": "movement"})
    assert hashed(pruning={"criterion": "mov"}) == hashed(
        pruning={"criterion": {"kind": "movement"}}
    )


def test_the_order_of_fields_does_not_change_the_hash():
    one = {"kind": "model", "seed": 3, "dataset": "mnist"}
    other = dict(reversed(one.items()))
    assert spec_hash(parse_spec(one)) == spec_hash(parse_spec(other))
