"""Checks that an uploaded file is a data set."""

from dataclasses import asdict, fields
from typing import Any, BinaryIO, Literal

from lth.core.errors import SpecError
from lth.datasets import Facts
from lth.datasets.rules import NAMES_IN_FILES, Checked, check, full_name
from service.api.datasets.archives import BadArchive, members, pieces
from service.converting.messages import Converted

MOST_CLASSES = 10_000
MOST_VALUES = 4_000_000


def check_file(file: BinaryIO, most_bytes: int) -> tuple[Checked, int]:
    """Check every value of an uploaded file, one piece at a time.

    Returns:
        The facts of its arrays, and their size in bytes.

    Raises:
        BadArchive: says what is wrong, and what would be right.
    """
    found = members(file, NAMES_IN_FILES, most_bytes)
    headers = {full_name(header.name): header for header in found}
    try:
        checked = check(
            headers,
            lambda name: pieces(file, headers[name]),
            most_classes=MOST_CLASSES,
            most_values=MOST_VALUES,
        )
    except SpecError as error:
        raise BadArchive(str(error)) from None
    return checked, sum(header.nbytes for header in headers.values())


def stored(checked: Checked, conversion: Converted | None = None) -> dict[str, Any]:
    """The facts of a data set as plain data, for the store.

    Args:
        checked: the facts of its arrays.
        conversion: what was converted; None for an npz file.
    """
    facts = {
        **asdict(checked.facts),
        "held_out": checked.held_out,
        "float_range": checked.float_range,
    }
    return facts if conversion is None else {**facts, "conversion": conversion.model_dump()}


def conversion_of(stored: dict[str, Any]) -> Converted | None:
    """What was converted for a stored data set; None for an npz file."""
    said = stored.get("conversion")
    return None if said is None else Converted.model_validate(said)


def dtype_of(stored: dict[str, Any]) -> Literal["uint8", "float32"] | None:
    """The dtype of the samples of a stored data set; None for those of earlier versions."""
    if "float_range" not in stored:
        return None
    return "float32" if stored["float_range"] else "uint8"


def restored(stored: dict[str, Any]) -> Checked:
    """The facts of a stored data set.

    Data sets of earlier versions have no `float_range`; every normalization is accepted for them.
    """
    facts = Facts(**{each.name: stored[each.name] for each in fields(Facts)})
    low_high = stored.get("float_range")
    return Checked(facts, stored.get("held_out", 0), tuple(low_high) if low_high else None)
