"""Converts YAML to plain data. What YAML allows and JSON does not is marked as `Unreadable`."""

from typing import Any

import yaml

from lth.core.plain_data import Unreadable, written_twice

_MOST_EXPANDED = 2_000_000
"""The most characters by which aliases may expand a document."""
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_AS_WRITTEN = frozenset({f"{_TAG}str", f"{_TAG}value", _MERGE})
_CONVERTED = frozenset({f"{_TAG}null", f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float"})
_LONGEST = 80
"""The most characters of a wrong value that are kept for its message."""


def single_node(text: str) -> yaml.Node | None:
    """The root of the only document in a text; None if the text is empty.

    Raises:
        yaml.YAMLError: if it is not YAML, or has aliases that expand to too much.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
    except (ValueError, OverflowError) as error:  # such as an escape of a character too large
        raise yaml.YAMLError(str(error)) from None
    finally:
        loader.dispose()
    size = _size(node, {}) if node is not None else 0
    if size > len(text) + _MOST_EXPANDED:
        raise yaml.YAMLError(
            f"its aliases expand to {size:,} characters, more than the {_MOST_EXPANDED:,} that "
            "are allowed; replace the aliases by what they refer to"
        )
    return node


def plain(node: yaml.Node | None) -> Any:
    """The value of a node as plain data, with `Unreadable` in place of anything else."""
    match node:
        case None:
            return None
        case yaml.MappingNode(tag="tag:yaml.org,2002:map"):
            return _mapping(node)
        case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
            return [plain(part) for part in node.value]
        case yaml.ScalarNode():
            return _scalar(node)
        case _:
            return _unknown_tag(node, "")


def _scalar(node: yaml.ScalarNode) -> Any:
    text = node.value[:_LONGEST]
    if node.tag in _AS_WRITTEN:
        return node.value
    if node.tag == f"{_TAG}timestamp":
        return Unreadable(text, "this is a date or a time", f"text: write '{text}' in quotes")
    if node.tag not in _CONVERTED:
        return _unknown_tag(node, text)
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, KeyError, IndexError, OverflowError):
        kind = node.tag.removeprefix(_TAG)
        return Unreadable(text, f"this cannot be read as {kind}", "a shorter number, or text")


def _unknown_tag(node: yaml.Node, text: str) -> Unreadable:
    tag = node.tag.replace(_TAG, "!!")[:_LONGEST]
    return Unreadable(text, f"the tag {tag} is not known", "plain data without a tag")


def _mapping(node: yaml.MappingNode) -> dict[str, Any] | Unreadable:
    """An object. A key is taken as it is written: ``on`` and ``2024`` are keys, too."""
    merged: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            return Unreadable("", "a key is a list or an object", "keys that are text")
        if key.tag == _MERGE:
            merged |= _merged(value)
        elif key.value in own:
            own[key.value] = written_twice(key.value)
        else:
            own[key.value] = plain(value)
    return merged | own


def _merged(node: yaml.Node) -> dict[str, Any]:
    """The fields that ``<<`` adds to an object; of several objects, the first has priority."""
    sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
    fields: dict[str, Any] = {}
    for source in reversed(sources):
        found = _mapping(source) if isinstance(source, yaml.MappingNode) else None
        if not isinstance(found, dict):
            return {"<<": Unreadable("", "this cannot be merged", "an object, or a list of them")}
        fields |= found
    return fields


def _size(node: yaml.Node, known: dict[int, int | None]) -> int:
    """The number of characters if each alias is expanded.

    `known` has the sizes of nodes, and None for nodes that are being measured.
    """
    if isinstance(node, yaml.ScalarNode):
        return len(node.value) + 1
    if id(node) not in known:
        known[id(node)] = None
        parts = (
            [part for pair in node.value for part in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    size = known[id(node)]
    if size is None:
        raise yaml.YAMLError(
            f"an alias refers to a list or mapping that contains it{node.start_mark}"
        )
    return size
