"""Where output goes: results to standard output, everything said on the way to standard error.

What names, messages and logs hold is printed as it is: brackets are no markup, and nothing that a
person may want to copy is cut or broken.
"""

import json
import sys
from typing import Any

from pydantic import BaseModel
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_ENDLESS = 100_000
"""Columns of what is not a screen: a file, a pipe, a log."""
_PROSE = 10
"""The fewest columns that prose is folded to."""
_GAP = 2
"""Columns between two of a table's."""

out = Console(
    highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else _ENDLESS
)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def put(result: str | Text) -> None:
    """Print a line of a result."""
    out.print(result, soft_wrap=True)


def put_table(table: Table) -> None:
    """Print a table. Its columns of prose are folded to fit; the others are as wide as they are."""
    fewest = 0
    for column in table.columns:
        natural = max(_width(cell) for cell in (column.header, *column.cells))
        column.min_width = natural if column.no_wrap else min(natural, _PROSE)
        fewest += column.min_width + _GAP
    if fewest - _GAP > out.width:
        table.width = fewest - _GAP  # the screen wraps it
    out.print(table, crop=False)


def put_json(content: Any) -> None:
    """Print one JSON document, on one line if several of them follow each other."""
    put(json.dumps(plain(content), ensure_ascii=False))


def say(text: str | Text, style: str = "") -> None:
    """Tell a person, beside the result."""
    err.print(text, style=style, soft_wrap=True)


def plain(content: Any) -> Any:
    """Models, and lists and dictionaries of them, as data."""
    if isinstance(content, BaseModel):
        return content.model_dump(mode="json")
    if isinstance(content, dict):
        return {name: plain(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return content


def _width(cell: Any) -> int:
    return cell.cell_len if isinstance(cell, Text) else cell_len(str(cell))
