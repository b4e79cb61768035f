"""Says what would be right for a wrong field, from the JSON schema of the document."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

Schema = Mapping[str, Any]

_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} entries",
    "pattern": "matching {}",
}
_WORDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "object": "an object",
    "string": "text",
}
_ADAM = {"kind": "adam", "learning_rate": 0.001}
_OTHER_NAMES: Mapping[str, Mapping[str, object]] = {
    "lr": {"learning_rate": 0.001, "optimizer": _ADAM},
    "learning_rate": {"optimizer": _ADAM},
    "epochs": {"duration": "20ep"},
    "iterations": {"duration": "50000it"},
    "steps": {"duration": "50000it"},
    "validation_freq": {"evaluate_every": "1ep"},
    "random_state": {"seed": 1},
}
"""Names that other libraries have for fields, with our fields and an example for each."""


def nearest(wrong: object, known: Iterable[str]) -> str:
    """The known names, with the one that was probably meant."""
    names = list(known)
    listed = ", ".join(f"'{name}'" for name in names)
    close = get_close_matches(str(wrong), names, n=1)
    return f"'{close[0]}', perhaps? Known: {listed}" if close else f"one of: {listed}"


def correction(
    kind: str, location: tuple[int | str, ...], context: Mapping[str, Any], schema: Schema
) -> str | None:
    """Describe what would be right.

    Args:
        kind: pydantic's type of the error, such as ``extra_forbidden``.
        location: pydantic's location, with the tags of unions.
        context: pydantic's context of the error.
        schema: the JSON schema of the whole document.
    """
    if kind == "union_tag_invalid":
        return nearest(context["tag"], re.findall(r"'([^']*)'", context["expected_tags"]))
    if kind == "extra_forbidden":
        names = _names(_walk(schema, location[:-1]))
        for name, example in _OTHER_NAMES.get(str(location[-1]), {}).items():
            if name in names:
                return f"'{name}', such as {example!r}"
        return nearest(location[-1], names) if names else None
    if location and location[-1] == "[key]":
        return None
    descriptions = [text for node in _walk(schema, location) if (text := _describe(node))]
    return " or ".join(dict.fromkeys(descriptions)) or None


def _walk(schema: Schema, location: tuple[int | str, ...]) -> list[Schema]:
    """The parts of a schema that describe the field at a location."""
    here = [schema]
    for step in location:
        # A step that no part of the schema has is the tag of a union.
        here = [found for part in here for found in _below(part, step, schema)] or here
    return [leaf for part in here for leaf in _alternatives(part, schema)]


def _below(part: Schema, step: int | str, root: Schema) -> Iterator[Schema]:
    for leaf in _alternatives(part, root):
        properties = leaf.get("properties", {})
        tags = leaf.get("discriminator", {}).get("mapping", {})
        if step in tags:
            yield _resolved({"$ref": tags[step]}, root)
        elif step in properties:
            yield properties[step]
        elif isinstance(step, int) and isinstance(leaf.get("items"), Mapping):
            yield leaf["items"]
        elif isinstance(leaf.get("additionalProperties"), Mapping):
            yield leaf["additionalProperties"]
        else:
            yield from leaf.get("patternProperties", {}).values()


def _resolved(part: Schema, root: Schema) -> Schema:
    while "$ref" in part:
        part = root["$defs"][part["$ref"].rpartition("/")[2]]
    return part


def _alternatives(part: Schema, root: Schema) -> Iterator[Schema]:
    part = _resolved(part, root)
    if "discriminator" in part:
        yield part
        return
    choices = part.get("anyOf") or part.get("oneOf")
    if choices is None:
        yield part
        return
    # The schema of a member also allows its kind alone; both are described together.
    whole = [choice for choice in choices if "discriminator" in choice]
    for choice in whole or choices:
        yield from _alternatives(choice, root)


def _names(parts: list[Schema]) -> list[str]:
    return list(dict.fromkeys(name for part in parts for name in part.get("properties", {})))


def _describe(part: Schema) -> str:
    if "const" in part:
        return repr(part["const"])
    if "enum" in part:
        return "one of: " + ", ".join(repr(value) for value in part["enum"])
    tags = part.get("discriminator", {}).get("mapping")
    if tags:
        return "an object whose 'kind' is one of: " + ", ".join(f"'{tag}'" for tag in tags)
    name = part.get("type")
    if name is None or name == "null":
        return ""
    what = _WORDS.get(name, f"a {name}")
    bounds = [text.format(part[key]) for key, text in _BOUNDS.items() if key in part]
    examples = ", ".join(f"'{example}'" for example in part.get("examples", ()))
    described = ", ".join((what, " and ".join(bounds))) if bounds else what
    return f"{described}, such as {examples}" if examples else described
