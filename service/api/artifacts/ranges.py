"""Conditional and range requests for files (RFC 9110, sections 13 and 14)."""

import re

from service.api.http.problems import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=\s*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))\s*")


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
    whole file.

    Raises:
        RangeNotSatisfiable: if the range begins after the end of the file.
    """
    match = _RANGE.fullmatch(value) if value else None
    if match is None or (if_range is not None and if_range != etag(digest)):
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        wanted = range(max(size - int(suffix), 0), size)
    else:
        if last and int(last) < int(first):
            return None
        wanted = range(int(first), min(int(last) + 1, size) if last else size)
    if not wanted:
        raise RangeNotSatisfiable(
            f"the range '{value}' lies outside the file, which has {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return wanted
