"""Checks that an uploaded file is a data set."""

from dataclasses import asdict, fields
from typing import Any, BinaryIO

from lth.core.errors import SpecError
from lth.datasets import Facts
from lth.datasets.rules import NAMES, Checked, check
from service.api.datasets.archives import BadArchive, members, pieces

_MOST_CLASSES = 10_000
_MOST_VALUES = 4_000_000


def check_file(file: BinaryIO, most_bytes: int) -> tuple[Checked, int]:
    """Check every value of an uploaded file, one piece at a time.

    Returns:
        The facts of its arrays, and their size in bytes.

    Raises:
        BadArchive: says what is wrong, and what would be right.
    """
    headers = {header.name: header for header in members(file, NAMES, most_bytes)}
    try:
        checked = check(
            headers,
            lambda name: pieces(file, headers[name]),
            most_classes=_MOST_CLASSES,
            most_values=_MOST_VALUES,
        )
    except SpecError as error:
        raise BadArchive(str(error)) from None
    return checked, sum(header.nbytes for header in headers.values())


def stored(checked: Checked) -> dict[str, Any]:
    """The facts of a data set as plain data, for the store."""
    return {
        **asdict(checked.facts),
        "held_out": checked.held_out,
        "float_range": checked.float_range,
    }


def restored(stored: dict[str, Any]) -> Checked:
    """The facts of a stored data set.

    Data sets of earlier versions have no `float_range`; every normalization is accepted for them.
    """
    facts = Facts(**{each.name: stored[each.name] for each in fields(Facts)})
    low_high = stored.get("float_range")
    return Checked(facts, stored.get("held_out", 0), tuple(low_high) if low_high else None)
