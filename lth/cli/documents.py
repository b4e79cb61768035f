"""Reads specs: JSON or YAML, from a file or from standard input."""

import errno
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lth.cli.yaml_nodes import plain, single_node
from lth.client.errors import Wrong
from lth.core.plain_data import Unreadable, not_plain, written_twice


class BadDocument(Exception):
    """The file is not a spec; the message says where and why.

    Attributes:
        wrong: the fields that are not plain data.
    """

    def __init__(self, message: str, wrong: Sequence[Wrong] = ()) -> None:
        super().__init__(message)
        self.wrong = tuple(wrong)


def read_document(file: Path) -> dict[str, Any]:
    """Read a document; ``-`` is standard input. What is not JSON is read as YAML.

    Raises:
        OSError: if the file cannot be read.
        BadDocument: if it is not a mapping, or contains anything but plain data.
    """
    name = "standard input" if str(file) == "-" else str(file)
    try:
        document = _parsed(_text(file, name))
        wrong = [
            Wrong(each.pointer, each.message, each.value, each.right)
            for each in not_plain(document)
        ]
    except UnicodeDecodeError as error:
        raise BadDocument(f"{name} is not text in UTF-8: byte {error.start} is wrong") from None
    except RecursionError:
        raise BadDocument(f"{name} has lists or mappings that are nested too deeply") from None
    except yaml.YAMLError as error:
        raise BadDocument(f"{name} is neither YAML nor JSON: {error}") from None
    if wrong:
        first = f"{wrong[0].pointer or 'the document'}: {wrong[0].detail}"
        raise BadDocument(f"{name} is not plain data: {first}", wrong)
    if not isinstance(document, dict):
        found = "is empty" if document is None else f"contains a {type(document).__name__}"
        raise BadDocument(f"{name} {found}; a spec is a mapping, such as 'kind: model'")
    return document


def _text(file: Path, name: str) -> str:
    """The text of a file; UTF-16 and byte order marks are recognized, as editors write them."""
    try:
        if str(file) != "-":
            content = file.read_bytes()
        elif sys.stdin is None:
            raise OSError(errno.EBADF, "it is closed")
        else:
            content = sys.stdin.buffer.read()
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from None
    return content.decode(json.detect_encoding(content))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except json.JSONDecodeError as error:
        not_json = error
    try:
        node = single_node(text)
    except yaml.YAMLError as error:
        if text.lstrip().startswith(("{", "[")):
            raise yaml.YAMLError(f"as JSON: {not_json}; as YAML: {error}") from None
        raise
    return plain(node)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a key that is written twice has no readable value."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        made[key] = written_twice(key) if key in made else value
    return made


def _integer(digits: str) -> int | Unreadable:
    try:
        return int(digits)
    except ValueError:  # Python reads no number of thousands of digits
        return Unreadable(digits, "this number is too long", "a shorter number")
