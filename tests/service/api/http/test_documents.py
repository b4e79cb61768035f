"""JSON that is refused."""

import pytest
from pydantic import BaseModel, TypeAdapter

from service.api.http.documents import MOST_DEPTH, parse_json, shown, validated
from service.api.http.problems import InvalidRequest, MalformedBody


class Strict(BaseModel, extra="forbid"):
    """A document without fields."""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"kind: model", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8: byte 7"),
        (b'{"a": NaN}', "'NaN' is not a number"),
        (b'{"a": -Infinity}', "'-Infinity' is not a number"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "cannot be read"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' is there twice"),
        (b'{"a": "\\u0000"}', "control character or half a surrogate"),
        (b'{"a": ["\\u001b]0;mine"]}', r"'\\x1b\]0;mine' has a control character"),
        (b'{"\\u009b2J": 1}', "control character"),
        (b'{"\\ud800": 1}', "control character or half a surrogate"),
        (b"[" * 100_000 + b"]" * 100_000, "nested"),
        (b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1), "nested"),
    ],
)
def test_ambiguous_or_broken_json_is_refused_with_the_reason(body, message):
    with pytest.raises(MalformedBody, match=message):
        parse_json(body)


def test_valid_json_is_read():
    text = '{"a": [1, 2.5, null, true, "\\u00e9\\ud83d\\ude00é"]}'
    assert parse_json(text.encode()) == {"a": [1, 2.5, None, True, "é😀é"]}


def test_json_can_be_nested_up_to_the_limit():
    parse_json(b"[" * MOST_DEPTH + b"]" * MOST_DEPTH)


def test_long_names_are_truncated_in_the_answer():
    with pytest.raises(InvalidRequest) as refused:
        validated(TypeAdapter(Strict), {"x" * 1_000_000: 1})
    assert len(refused.value.problem(None).model_dump_json()) < 3_000


def test_long_values_are_truncated_in_the_answer():
    assert shown("x" * 10) == "x" * 10
    assert len(shown("x" * 10_000)) < 250
    assert len(shown(list(range(10_000)))) < 250
