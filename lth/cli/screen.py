"""Output: results go to standard output, messages to standard error. With ``--json`` all is JSON.

Names, messages and logs are printed unchanged: brackets are not markup, and text that a user may
copy is not cut or wrapped.
"""

import json
import sys
from typing import Any

from pydantic import BaseModel
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lth.core.secrets import hidden

_ENDLESS = 100_000
"""Columns of output that does not go to a terminal."""
_PROSE = 10
"""The fewest columns to which text is wrapped."""
_GAP = 2
"""Columns between two columns of a table."""

out = Console(
    highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else _ENDLESS
)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def json_wanted() -> bool:
    """Whether the output is for programs, also if the command line is wrong."""
    return "--json" in sys.argv[1:]


def put(result: str | Text) -> None:
    """Print a line of a result."""
    out.print(result, soft_wrap=True)


def put_table(table: Table) -> None:
    """Print a table. Columns of text are wrapped to fit; other columns keep their width."""
    fewest = 0
    for column in table.columns:
        natural = max(_width(cell) for cell in (column.header, *column.cells))
        column.min_width = natural if column.no_wrap else min(natural, _PROSE)
        fewest += column.min_width + _GAP
    if fewest - _GAP > out.width:
        table.width = fewest - _GAP  # the screen wraps it
    out.print(table, crop=False)


def put_json(content: Any) -> None:
    """Print one JSON document, on one line if several follow each other."""
    put(json.dumps(plain(content), ensure_ascii=False))


def say(text: str | Text, style: str = "") -> None:
    """Print a message to standard error, without secrets."""
    if json_wanted():
        say_json({"message": str(text)})
        return
    said = hidden(text) if isinstance(text, str) else text
    err.print(said, style=style, soft_wrap=True)


def say_json(content: Any) -> None:
    """Print one JSON document to standard error, without secrets."""
    said = json.dumps(plain(content), ensure_ascii=False, default=str)
    err.print(hidden(said), soft_wrap=True)


def plain(content: Any) -> Any:
    """Convert models, and lists and dictionaries of models, to plain data."""
    if isinstance(content, BaseModel):
        return content.model_dump(mode="json")
    if isinstance(content, dict):
        return {name: plain(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return content


def _width(cell: Any) -> int:
    return cell.cell_len if isinstance(cell, Text) else cell_len(str(cell))
