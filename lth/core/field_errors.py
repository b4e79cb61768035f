"""Wrong fields of a document, with JSON pointers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import index
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from lth.core.errors import SpecError
from lth.core.suggestions import correction

_TOLD = 5
"""The most errors that one message lists."""


@dataclass(frozen=True, slots=True)
class WrongField:
    """One wrong field.

    Attributes:
        pointer: its location (RFC 6901).
        message: what is wrong.
        value: the value that was found; None if the field is missing.
        right: what would be right, if known.
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
    """All wrong fields of a document, in the order of its validation.

    Args:
        error: the error of the validation.
        document: the document as plain data.
        schema: the JSON schema of the document, from which `right` is derived.
        most: the most fields to return; None for all.
    """
    return tuple(islice(_wrong_fields(error, document, schema), most))


def valid(kind: Any, value: Any, what: str) -> Any:
    """Validate a value that a caller gave, such as the kind of a member or a dictionary.

    Args:
        kind: a model, or a union of models.
        value: a model, or plain data.
        what: the name of the value in a message; may be empty.

    Raises:
        SpecError: if it is not valid; the message says what is wrong and what would be right.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        wrong = wrong_fields(error, value, adapter.json_schema(), _TOLD)
        raise refusal(wrong, what) from None


def refusal(wrong: Sequence[WrongField], what: str) -> SpecError:
    """The error for wrong fields of a value that a caller gave.

    Args:
        wrong: the fields; the message lists the first five.
        what: the name of the value in the message; may be empty.
    """
    return SpecError("; ".join(_told(each, what) for each in wrong[:_TOLD]))


def whole(value: Any, what: str, least: int) -> int:
    """Validate an integer of Python or NumPy.

    Args:
        value: the number.
        what: its name in a message.
        least: the smallest valid number.

    Raises:
        SpecError: if it is not an integer, or is too small.
    """
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise SpecError(f"{what} is {value!r}; expected a whole number from {least} on")
    return number


def _told(wrong: WrongField, what: str) -> str:
    where = f"{what}{wrong.pointer}".lstrip("/")
    value, more = wrong.value, []
    ours = not wrong.message.startswith("Input should")
    if isinstance(value, str | int | float) and not (ours and str(value) in wrong.message):
        more.append(f"found {value!r}")
    elif value is not None and not isinstance(value, str | int | float | Mapping):
        kind = "class" if isinstance(value, type) else type(value).__name__
        more.append(f"found a {kind}")
    if wrong.right and not isinstance(value, Mapping):
        more.append(f"expected: {wrong.right}")
    if alike := _member_of_another_library(wrong):
        more.append(f"write {{'kind': '{alike}', ...}} with the parameters of the object")
    elif _of_ones_own(wrong):
        more.append("CONTRIBUTING.md says how to add one of your own")
    return f"{where}: {wrong.message}" + (f" ({'; '.join(more)})" if more else "")


def _member_of_another_library(wrong: WrongField) -> str | None:
    """The kind that is named like the class of the value, such as an optimizer of Keras."""
    name = type(wrong.value).__name__.lower()
    ours = isinstance(wrong.value, BaseModel)
    return name if not ours and f"'{name}'" in (wrong.right or "") else None


def _of_ones_own(wrong: WrongField) -> bool:
    """Whether the value looks like a user's own member of a family."""
    right, data = wrong.right or "", str | int | float | Mapping | list | tuple | None
    if wrong.message.endswith("is not known"):
        return right.startswith("one of")
    return isinstance(wrong.value, BaseModel) or (
        "'kind'" in right and not isinstance(wrong.value, data)
    )


def _wrong_fields(
    error: ValidationError, document: Any, schema: Mapping[str, Any] | None
) -> Iterator[WrongField]:
    for found in error.errors(include_url=False):
        kind, location, value = found["type"], found["loc"], found["input"]
        if kind == "too_short" and value:
            continue  # Its items were dropped because each of them is reported as wrong.
        pointer, here = _pointer(location, document)
        if kind == "missing":
            pointer, value = f"{pointer}/{escaped(location[-1])}", None
        elif kind.startswith("union_tag") and isinstance(here, dict):
            pointer, value = f"{pointer}/kind", here.get("kind")
        elif kind.startswith("union_tag"):
            value = here  # A kind, as the client sent it.
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
    """Convert a location of pydantic to a pointer, and find the value there.

    Tags of unions, which pydantic adds to a location, are left out.
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
        pointer = f"{pointer}/{escaped(step)}"
    return pointer, here


def escaped(step: object) -> str:
    """A key or an index as one step of a JSON pointer."""
    return str(step).replace("~", "~0").replace("/", "~1")
