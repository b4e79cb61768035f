"""Checks a spec given as plain data, and finds all of its wrong fields."""

from typing import Any

from pydantic import ValidationError

from lth.core.field_errors import WrongField, wrong_fields
from lth.core.limits import Limits
from lth.spec.document import SPEC, Spec
from lth.spec.likely_kind import likely_kind


def checked(
    document: Any,
    limits: Limits | None = None,
    schema: dict[str, Any] | None = None,
    most: int | None = None,
) -> tuple[Spec | None, tuple[WrongField, ...]]:
    """The spec, or None and all wrong fields; without a known kind, those of the likely kind too.

    Args:
        document: plain data, such as a dictionary.
        limits: upper bounds; None for those of the library.
        schema: the JSON schema, from which a message derives what would be right.
        most: the most wrong fields to return; None for all.
    """
    schema = schema or SPEC.json_schema()
    try:
        return SPEC.validate_python(document, context=limits), ()
    except ValidationError as error:
        wrong = wrong_fields(error, document, schema, most)
    if isinstance(document, dict) and [each.pointer for each in wrong] == ["/kind"]:
        likely = {**document, "kind": likely_kind(document)}
        wrong += checked(likely, limits, schema, most)[1]
    return None, wrong
