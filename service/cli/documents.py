"""Reading specs: YAML or JSON, from a file or from standard input."""

import sys
from pathlib import Path
from typing import Any

import yaml


class BadDocument(Exception):
    """A file that is no spec at all; the message says where and why."""


def read_document(file: Path) -> dict[str, Any]:
    """Read a document; ``-`` is standard input. JSON is YAML as well.

    Raises:
        BadDocument: when it cannot be read, or is not a mapping.
    """
    name = "standard input" if str(file) == "-" else str(file)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 a SafeLoader
    except OSError as error:
        raise BadDocument(f"{name}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadDocument(f"{name} is neither YAML nor JSON: {error}") from None
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise BadDocument(f"{name} holds a {kind}; a spec is a mapping, such as 'kind: model'")
    return document


class _Loader(yaml.SafeLoader):
    """YAML without its surprise: a key that is written twice is an error, not the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice!r} is written twice", node.start_mark
            )
        return super().construct_mapping(node, deep)
