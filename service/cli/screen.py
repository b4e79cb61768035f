"""Where output goes: results to standard output, everything said on the way to standard error."""

import json
import sys
from typing import Any

from pydantic import BaseModel
from rich.console import Console

_WIDE = 160
"""Columns of what is not a screen: a file, a pipe, a log."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True, highlight=False)


def print_json(content: Any) -> None:
    """One JSON document, on one line if several of them follow each other."""
    out.print(json.dumps(plain(content), ensure_ascii=False), markup=False, soft_wrap=True)


def plain(content: Any) -> Any:
    """Models, and lists and dictionaries of them, as data."""
    if isinstance(content, BaseModel):
        return content.model_dump(mode="json")
    if isinstance(content, dict):
        return {name: plain(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return content
