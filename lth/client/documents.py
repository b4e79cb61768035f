"""Reads specs: plain data, models, and JSON or YAML from a file or from standard input."""

import errno
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

import yaml
from pydantic import BaseModel

from lth.client.errors import BadDocument, Wrong
from lth.client.yaml_nodes import plain, single_node
from lth.core.errors import SpecError
from lth.core.plain_data import Unreadable, not_plain, require_plain, written_twice

Document = Mapping[str, Any] | BaseModel | Path | str
"""A spec with optional fields of the job: plain data, a model such as `lth.parse_spec` returns, or
the path of a JSON or YAML file."""


class JobFields(TypedDict, total=False):
    """Fields of a job. They replace those of a document; labels are added to its labels."""

    name: str
    labels: Mapping[str, str]
    priority: int
    pool: str
    team: str | None
    max_seconds: int
    max_run_seconds: int
    reuse: Literal["never", "if_finished"]
    webhook: str


def plain_document(document: Document, fields: JobFields | None = None) -> dict[str, Any]:
    """A document with these fields as plain data.

    Raises:
        OSError: if it is a file that cannot be read.
        BadDocument: if it is a file that is not a mapping of plain data.
        SpecError: if it is something else than plain data.
    """
    match document:
        case BaseModel():
            made = document.model_dump(mode="json")
        case Mapping():
            made = dict(document)
        case str() | Path():
            made = read_document(Path(document))
        case _:
            raise SpecError(
                f"a document is a {type(document).__name__}; expected a dictionary, a spec, or the "
                "path of a JSON or YAML file"
            )
    given: dict[str, Any] = {**(fields or {})}
    labels, written = given.pop("labels", None), made.get("labels") or {}
    if labels and isinstance(written, Mapping):  # the service refuses labels of another type
        given["labels"] = {**written, **labels}
    return require_plain(made | given)


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
        raise BadDocument(f"{name} is not plain data: {first}", wrong, name)
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
