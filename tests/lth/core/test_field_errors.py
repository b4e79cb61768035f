"""A wrong spec gets an error for every wrong field, with its location and what is expected."""

from typing import Literal

import pytest
from pydantic import ValidationError

from lth.core.errors import SpecError
from lth.core.family import Member
from lth.core.field_errors import WrongField, valid, wrong_fields
from lth.pruning.criteria import Criterion, LargeFinal
from lth.reinit import Reinit
from lth.spec.document import SPEC, parse_spec

SCHEMA = SPEC.json_schema()


def found(document) -> dict[str, WrongField]:
    with pytest.raises(ValidationError) as caught:
        parse_spec(document)
    return {wrong.pointer: wrong for wrong in wrong_fields(caught.value, document, SCHEMA)}


def test_all_wrong_fields_are_reported_together():
    wrong = found(
        {
            "kind": "model",
            "sede": 1,
            "dataset": "digts",
            "training": {"batch_size": 0, "duration": "3e", "optimizer": {"kind": "adm"}},
            "pruning": {"schedule": {"kind": "one_shot", "sparsity": 1.5}},
        }
    )
    assert set(wrong) == {
        "/sede",
        "/dataset",
        "/training/batch_size",
        "/training/duration",
        "/training/optimizer/kind",
        "/pruning/schedule/sparsity",
    }


def test_an_unknown_field_is_reported_with_the_nearest_known_one():
    wrong = found({"kind": "model", "sede": 1})["/sede"]
    assert wrong.value == 1
    assert wrong.right is not None
    assert wrong.right.startswith("'seed', perhaps? Known: ")
    assert "'pruning'" in wrong.right


def test_an_unknown_kind_is_reported_with_the_known_ones():
    wrong = found({"kind": "model", "training": {"optimizer": {"kind": "adm"}}})
    field = wrong["/training/optimizer/kind"]
    assert field.value == "adm"
    assert field.right == "'adam', perhaps? Known: 'sgd', 'adam', 'adamw', 'rmsprop'"


def test_a_number_out_of_range_is_reported_with_the_range():
    schedule = {"kind": "one_shot", "sparsity": 1.5}
    wrong = found({"kind": "model", "pruning": {"schedule": schedule}})
    assert wrong["/pruning/schedule/sparsity"].right == "a number, more than 0 and less than 1"


def test_a_missing_kind_is_reported_at_its_field():
    assert set(found({})) == {"/kind"}
    assert found({})["/kind"].value is None
    assert set(found({"kind": "model", "dataset": {"validation": 3}})) == {"/dataset/kind"}


def test_a_field_named_like_a_tag_has_the_right_pointer():
    experiments = [{"name": "a"}, {"name": "b", "control": {"kind": "random_wights", "of": "a"}}]
    assert set(found({"kind": "session", "experiments": experiments})) == {
        "/experiments/1/control/kind"
    }


def test_names_in_pointers_are_escaped():
    assert "/a~1b~0c" in found({"kind": "model", "a/b~c": 1})


def test_a_list_with_wrong_items_is_not_reported_as_empty():
    network = {"kind": "layers", "layers": [{"kind": "linar"}]}
    assert set(found({"kind": "model", "network": network})) == {"/network/layers/0/kind"}


@pytest.mark.parametrize("document", [[], "model", 3, None])
def test_a_spec_that_is_not_an_object_is_reported_as_a_whole(document):
    assert set(found(document)) == {""}


def test_a_wrong_bare_kind_is_reported_as_it_was_sent():
    wrong = found({"kind": "model", "reinit": "rewnd"})["/reinit"]
    assert wrong.value == "rewnd"
    assert wrong.message == "'rewnd' is not known"


class Stillness(Member):
    kind: Literal["stillness"] = "stillness"


class OfATakenName(Member):
    kind: Literal["large_final", "rewind"] = "large_final"


@pytest.mark.parametrize("family", [Criterion, Reinit])
@pytest.mark.parametrize(
    "own",
    [
        Stillness(),
        Stillness,
        "stillness",
        {"kind": "stillness"},
        OfATakenName(),
        OfATakenName(kind="rewind"),
        object(),
    ],
)
def test_the_error_for_a_new_member_explains_how_to_add_one(family, own):
    """The error does not only list the known members."""
    with pytest.raises(SpecError, match=r"; CONTRIBUTING.md says how to add one of your own\)$"):
        valid(family, own, "own")


@pytest.mark.parametrize("wrong", ["large_fnal", 3, {}, [], {"kind": "large_final", "x": 1}])
def test_the_error_for_a_mistake_does_not_explain_how_to_add_a_member(wrong):
    with pytest.raises(SpecError) as refused:
        valid(Criterion, wrong, "criterion")
    assert "CONTRIBUTING.md" not in str(refused.value)
    assert valid(Criterion, "lf", "criterion") == LargeFinal(kind="large_final")


def test_a_wrong_label_is_reported_with_what_a_label_may_be():
    wrong = found({"kind": "model", "labels": {"a": True}})["/labels/a"]
    assert wrong.value is True
    assert wrong.right == "text, at most 128 characters"


@pytest.mark.parametrize(
    ("field", "right"),
    [
        ("/training/epochs", "'duration', such as '20ep'"),
        ("/training/lr", "'optimizer', such as {'kind': 'adam', 'learning_rate': 0.001}"),
        ("/training/optimizer/lr", "'learning_rate', such as 0.001"),
        ("/random_state", "'seed', such as 1"),
    ],
)
def test_a_name_of_another_library_is_reported_with_ours(field, right):
    optimizer = {"kind": "adam", "learning_rate": 1, "lr": 1}
    training = {"lr": 1, "epochs": 20, "optimizer": optimizer}
    wrong = found({"kind": "model", "training": training, "random_state": 3})
    assert wrong[field].right == right
