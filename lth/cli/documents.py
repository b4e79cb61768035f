"""Reads specs: YAML or JSON, from a file or from standard input."""

import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"
_MOST_EXPANDED = 2_000_000
"""The most characters by which aliases may expand a document."""


class BadDocument(Exception):
    """The file is not a spec; the message says where and why."""


def read_document(file: Path) -> dict[str, Any]:
    """Read a document; ``-`` is standard input. JSON is valid YAML.

    Raises:
        BadDocument: if the file cannot be read, or is not a mapping.
    """
    name = "standard input" if str(file) == "-" else str(file)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        document = _parsed(text)
    except OSError as error:
        raise BadDocument(f"{name}: {error.strerror}") from None
    except RecursionError:
        raise BadDocument(f"{name} has lists or mappings that are nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadDocument(f"{name} is neither YAML nor JSON: {error}") from None
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise BadDocument(f"{name} contains a {kind}; a spec is a mapping, such as 'kind: model'")
    return document


def _parsed(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        size = _size(node, {})
        if size > len(text) + _MOST_EXPANDED:
            raise yaml.YAMLError(
                f"its aliases expand to {size:,} characters, more than the {_MOST_EXPANDED:,} that "
                "are allowed; replace the aliases by what they refer to"
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


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


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for written, _ in node.value:
            if written.tag == _MERGE:
                continue
            key = self.construct_object(written, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is written twice", node.start_mark
                )
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep)
