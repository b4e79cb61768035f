"""Wrong fields of a document, each with a JSON pointer into what was sent."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class WrongField:
    """One thing that is wrong: where (RFC 6901), what, and the value that was there."""

    pointer: str
    message: str
    value: Any


def wrong_fields(error: ValidationError, document: Any) -> tuple[WrongField, ...]:
    """Every wrong field of `document`, in the order that validation met them."""
    return tuple(
        WrongField(
            _pointer(found["loc"], document),
            found["msg"].removeprefix("Value error, "),
            None if found["type"] == "missing" else found["input"],
        )
        for found in error.errors(include_url=False, include_context=False)
    )


def _pointer(location: tuple[int | str, ...], document: Any) -> str:
    """Turn pydantic's location into a pointer: the tags of unions are no part of the document."""
    steps: list[str] = []
    here = document
    for number, step in enumerate(location):
        last = number == len(location) - 1
        if isinstance(here, dict) and (step in here or last):
            here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        else:
            continue
        steps.append(str(step).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{step}" for step in steps)
