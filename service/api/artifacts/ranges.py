"""Conditional and range requests for files (RFC 9110, sections 13 and 14)."""

import re

from service.api.http.problems import RangeNotSatisfiable

_UNIT = "bytes"
_SPEC = re.compile("([0-9]+)-([0-9]*)|-([0-9]+)")
_MOST_DIGITS = 18


def etag(digest: str) -> str:
    """The strong entity tag of a file: its SHA-256."""
    return f'"{digest}"'


def matches(condition: str | None, digest: str) -> bool:
    """Whether ``If-None-Match`` names the file."""
    if condition is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in condition.split(",")}
    return "*" in tags or etag(digest) in tags


def wanted_range(value: str | None, if_range: str | None, digest: str, size: int) -> range | None:
    """The requested bytes; None for the whole file.

    As the standard allows, several ranges, invalid ranges and ranges of an older version get the
    whole file. So does the end of an empty file.

    Raises:
        RangeNotSatisfiable: if every range begins after the end of the file.
    """
    if value is None or (if_range is not None and if_range != etag(digest)):
        return None
    wanted = _ranges(value, size)
    if not wanted:
        return None
    if not any(wanted):
        raise RangeNotSatisfiable(
            f"the range '{value[:80]}' lies outside the file, which has {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return wanted[0] if len(wanted) == 1 else None


def _ranges(value: str, size: int) -> list[range]:
    """The bytes of each range of a header; an empty list if the header is to be ignored."""
    unit, _, specs = value.partition("=")
    if unit.lower() != _UNIT:
        return []
    ranges = []
    for spec in filter(None, (each.strip(" \t") for each in specs.split(","))):
        match = _SPEC.fullmatch(spec)
        if match is None:
            return []
        first, last, suffix = match.groups()
        if suffix is not None:
            if size == 0 and _number(suffix):
                return []
            ranges.append(range(max(size - _number(suffix), 0), size))
        elif last and _number(last) < _number(first):
            return []
        else:
            ranges.append(range(_number(first), min(_number(last) + 1, size) if last else size))
    return ranges


def _number(digits: str) -> int:
    """A position in a file; one that no file reaches if it has too many digits."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
