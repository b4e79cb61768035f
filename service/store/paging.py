"""Long lists in pages, newest first. Pages stay right while rows are added."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.store.errors import BadCursor

Row = TypeVar("Row")

_PLACE = re.compile(r"([a-z_]+) ([a-z]+_[0-9a-f]{32}|[0-9]{1,18})")
"""What a cursor holds: the table whose list it is of, and the id of the last row of a page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and the cursor for the next ones; None at the end."""

    rows: Sequence[Row]
    cursor: str | None


def page(
    session: Session,
    query: Select[Row],
    by: InstrumentedAttribute[Any],
    cursor: str | None,
    limit: int,
) -> Page[Row]:
    """The rows of a query after those of an earlier page.

    Args:
        session: to look in.
        query: whose rows are of the table of `by`.
        by: the table's id, which grows with time.
        cursor: of the earlier page; None for the first one.
        limit: the most rows of this page.

    Raises:
        BadCursor: when the cursor is not one of this list's.
    """
    query = query.order_by(by.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(by < _decoded(cursor, by))
    found = session.scalars(query).all()
    more = len(found) > limit
    return Page(found[:limit], _encoded(found[limit - 1], by) if more else None)


def _encoded(last: Any, by: InstrumentedAttribute[Any]) -> str:
    place = f"{last.__tablename__} {getattr(last, by.key)}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _decoded(cursor: str, by: InstrumentedAttribute[Any]) -> Any:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        place = ""
    match = _PLACE.fullmatch(place)
    if match is None or match[1] != by.class_.__tablename__:
        raise BadCursor(f"'{cursor}' is no cursor of this list")
    return by.type.python_type(match[2])
