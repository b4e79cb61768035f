"""Checks that a document is plain data: what JSON can express without loss."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from lth.core.field_errors import WrongField, escaped, refusal

_PLAIN = "text, a number, true, false, null, a list or an object"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands in a document for a value that a reader could not convert to plain data.

    Attributes:
        text: the value as it was written.
        message: what is wrong.
        right: what would be right.
    """

    text: str
    message: str
    right: str


def written_twice(key: str) -> Unreadable:
    """Stands for the value of a key that an object has twice."""
    return Unreadable("", f"'{key}' is written twice", "each key once")


def require_plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document as a dictionary, after a check that it is plain data.

    Raises:
        SpecError: if it is not; the message names the fields.
    """
    try:
        wrong = tuple(not_plain(document))
    except RecursionError:
        wrong = (WrongField("", "this is nested too deeply, or contains itself", None),)
    if wrong:
        raise refusal(wrong, "")
    return dict(document)


def not_plain(value: Any, pointer: str = "") -> Iterator[WrongField]:
    """All parts of a document that are not plain data.

    Args:
        value: the document, or a part of it.
        pointer: the JSON pointer to `value`.
    """
    match value:
        case Mapping():
            for key, part in value.items():
                where = f"{pointer}/{escaped(key)}"
                if not isinstance(key, str | int | float | None):
                    yield WrongField(where, f"the key is a {type(key).__name__}", str(key), "text")
                elif wrong := _wrong(where, key):
                    yield wrong
                yield from not_plain(part, where)
        case list() | tuple():
            for number, part in enumerate(value):
                yield from not_plain(part, f"{pointer}/{number}")
        case _ if wrong := _wrong(pointer, value):
            yield wrong


def _wrong(pointer: str, value: Any) -> WrongField | None:
    """The error of a value that is neither a list nor an object, if it is not plain data."""
    match value:
        case Unreadable(text, message, right):
            return WrongField(pointer, message, text, right)
        case float() if not math.isfinite(value):
            return WrongField(pointer, "this number is not finite", str(value), "a finite number")
        case str() if not _is_unicode(value):
            right = "text without half of a surrogate pair"
            return WrongField(pointer, "this is not valid Unicode", ascii(value), right)
        case str() | int() | float() | None:
            return None
        case date() | time():
            right = f"text, such as '{value.isoformat()}'"
            return WrongField(pointer, f"this is a {type(value).__name__}", str(value), right)
        case _:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            return WrongField(pointer, f"this is a {kind.removeprefix('builtins.')}", None, _PLAIN)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
