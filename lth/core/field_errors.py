"""Wrong fields of a document, each with a JSON pointer into what was sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from operator import index
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from lth.core.errors import SpecError
from lth.core.family import Member
from lth.core.suggestions import correction

_TOLD = 5
"""Wrong things that one message names at the most."""


@dataclass(frozen=True, slots=True)
class WrongField:
    """One thing that is wrong.

    Attributes:
        pointer: where (RFC 6901).
        message: what is wrong.
        value: what was there; None for a field that is missing.
        right: what would be right, where that can be said.
    """

    pointer: str
    message: str
    value: Any
    right: str | None = None


def wrong_fields(
    error: ValidationError,
    document: Any,
    schema: Mapping[str, Any] | None = None,
    most: int | None = None,
) -> tuple[WrongField, ...]:
    """Every wrong field of `document`, in the order that validation met them.

    Args:
        error: from the validation of `document`.
        document: plain data, as it was sent.
        schema: the JSON schema of the document; with it, fields say what would be right.
        most: how many are wanted; all, if not given.
    """
    return tuple(islice(_wrong_fields(error, document, schema), most))


def valid(kind: Any, value: Any, what: str) -> Any:
    """What somebody gave as what it stands for, such as a bare kind for a member of its family.

    Args:
        kind: a model, or a union of them.
        value: a model, or plain data.
        what: how a message calls it; empty where its parts speak for themselves.

    Raises:
        SpecError: when it is not such; the message says what is wrong and what would be right.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        wrong = wrong_fields(error, value, adapter.json_schema(), _TOLD)
        raise SpecError("; ".join(_told(each, what) for each in wrong)) from None


def whole(value: Any, what: str, least: int) -> int:
    """What somebody gave as a whole number, of NumPy's or of Python's.

    Args:
        value: the number.
        what: how a message calls it.
        least: the smallest that is right.

    Raises:
        SpecError: when it is none, or less.
    """
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise SpecError(f"{what} is {value!r}; right would be a whole number from {least} on")
    return number


def _told(wrong: WrongField, what: str) -> str:
    where = f"{what}{wrong.pointer}".lstrip("/")
    value, more = wrong.value, []
    ours = not wrong.message.startswith("Input should")
    if isinstance(value, str | int | float) and not (ours and str(value) in wrong.message):
        more.append(f"found {value!r}")
    elif value is not None and not isinstance(value, str | int | float | Mapping):
        more.append(f"found a {type(value).__name__}")
    if wrong.right and not isinstance(value, Mapping):
        more.append(f"right would be: {wrong.right}")
    if _of_ones_own(wrong):
        more.append("CONTRIBUTING.md says how to add one of your own")
    return f"{where}: {wrong.message}" + (f" ({'; '.join(more)})" if more else "")


def _of_ones_own(wrong: WrongField) -> bool:
    """Whether somebody seems to give a member of a family that the family does not know."""
    right, data = wrong.right or "", str | int | float | Mapping | list | tuple | None
    if wrong.message.endswith("is not known"):
        return right.startswith("one of")
    return isinstance(wrong.value, Member) or (
        "'kind'" in right and not isinstance(wrong.value, data)
    )


def _wrong_fields(
    error: ValidationError, document: Any, schema: Mapping[str, Any] | None
) -> Iterator[WrongField]:
    for found in error.errors(include_url=False):
        kind, location, value = found["type"], found["loc"], found["input"]
        if kind == "too_short" and value:
            continue  # Its items were dropped because each is wrong, and reported, by itself.
        pointer, here = _pointer(location, document)
        if kind == "missing":
            pointer, value = f"{pointer}/{_escaped(location[-1])}", None
        elif kind.startswith("union_tag") and isinstance(here, dict):
            pointer, value = f"{pointer}/kind", here.get("kind")
        elif kind.startswith("union_tag"):
            value = here  # A bare kind, as it was sent.
        said = _message(found)
        if kind == "union_tag_not_found" and not isinstance(here, Mapping):
            said = "this is no object"
        right = correction(kind, location, found.get("ctx", {}), schema) if schema else None
        yield WrongField(pointer, said, value, right)


def _message(found: ErrorDetails) -> str:
    context = found.get("ctx", {})
    match found["type"]:
        case "extra_forbidden":
            return "there is no such field"
        case "missing":
            return "this field is missing"
        case "union_tag_invalid":
            return f"'{context['tag']}' is not known"
        case "union_tag_not_found":
            return "this field is missing"
        case "model_attributes_type":
            return "this is no object"
        case _:
            return found["msg"].removeprefix("Value error, ")


def _pointer(location: tuple[int | str, ...], document: Any) -> tuple[str, Any]:
    """Turn pydantic's location into a pointer, and what it points at.

    The tags of unions, which pydantic puts into a location, are no part of the document.
    """
    pointer = ""
    here = document
    for step in location:
        match here:
            case dict() if step in here:
                here = here[step]
            case list() if isinstance(step, int) and step < len(here):
                here = here[step]
            case _:
                continue
        pointer = f"{pointer}/{_escaped(step)}"
    return pointer, here


def _escaped(step: int | str) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
