"""Specs whose runs need too much memory are refused, and the largest part is named."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from lth.core.field_errors import WrongField, wrong_fields
from lth.core.limits import SERVER_LIMITS, Limits
from lth.spec.document import parse_spec
from lth.spec.memory import estimate_memory
from lth.spec.memory_limit import check_memory
from tests.lth.wide import GIB, WIDE

HEAVY: dict[str, Any] = {
    "kind": "model",
    "network": {
        "kind": "layers",
        "layers": [
            "flatten",
            {"kind": "linear", "units": 20_000},
            {"kind": "linear", "units": 20_000},
            {"kind": "linear", "units": 10},
        ],
    },
    "training": {"batch_size": 1},
}
"""Many parameters."""


def refused(document: dict[str, Any], most: int) -> WrongField:
    with pytest.raises(ValidationError) as caught:
        check_memory(parse_spec(document), most, "at most 12 GiB are allowed")
    (wrong,) = wrong_fields(caught.value, document)
    return wrong


def test_a_wide_layer_is_named_with_the_largest_batch_that_fits() -> None:
    wrong = refused(WIDE, 12 * GIB)

    assert wrong.pointer == "/network/layers/0"
    assert wrong.value == WIDE["network"]["layers"][0]
    assert "layer 0 (conv2d)" in wrong.message
    assert "at most 12 GiB are allowed" in wrong.message
    fits = int(wrong.message.split("the largest batch_size that fits is ")[1].split(",")[0])
    assert 1 <= fits < 200
    check_memory(parse_spec({**WIDE, "training": {"batch_size": fits}}), 12 * GIB, "")
    refused({**WIDE, "training": {"batch_size": fits + 1}}, 12 * GIB)


@pytest.mark.parametrize(
    ("document", "most", "pointer", "said"),
    [
        (HEAVY, GIB, "/network", "weights of the network, .*no batch_size fits"),
        ({"kind": "model", "dataset": "mnist"}, GIB, "/dataset", "the data set"),
        ({"kind": "model", "network": "conv-2", "dataset": "mnist"}, GIB, "/network",
         r"layer \d+ \(conv2d\)"),
        ({**HEAVY, "training": {"batch_size": 2}}, 1000, "/network", "its process alone"),
        ({"kind": "model"}, 1000, "", "its process alone"),
    ],
)  # fmt: skip
def test_the_field_with_the_largest_part_is_named(
    document: dict[str, Any], most: int, pointer: str, said: str
) -> None:
    wrong = refused(document, most)
    assert wrong.pointer == pointer
    assert re.search(said, wrong.message), wrong.message


def test_a_spec_that_needs_exactly_the_limit_is_valid() -> None:
    spec = parse_spec(WIDE)
    total = estimate_memory(spec).total
    check_memory(spec, total, "")
    with pytest.raises(ValidationError):
        check_memory(spec, total - 1, "")


def test_neither_the_library_nor_the_service_has_a_fixed_limit() -> None:
    assert Limits().max_run_memory is SERVER_LIMITS.max_run_memory is None
    assert parse_spec(WIDE, SERVER_LIMITS).layers
