"""Pages of long lists, newest first. Pages stay correct while rows are added."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.store.errors import BadCursor

Row = TypeVar("Row")

_IDS: dict[type, re.Pattern[str]] = {
    str: re.compile(r"[a-z]+_[0-9a-f]{32}"),
    int: re.compile(r"[0-9]{1,18}"),
}
"""The pattern of an id, by the type of its column."""
_POSITION = re.compile(r"[0-9]{1,9}")
_SHOWN = 40
"""The most characters of a wrong cursor in the error message."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and the cursor of the next page; None on the last page."""

    rows: Sequence[Row]
    cursor: str | None


def page(
    session: Session,
    query: Select[Row],
    by: InstrumentedAttribute[Any],
    cursor: str | None,
    limit: int,
    parts: Sequence[ColumnElement[bool]] = (),
) -> Page[Row]:
    """The next rows of a query.

    Args:
        session: the transaction.
        query: selects rows of the table of `by`.
        by: the id of the table, which increases with time.
        cursor: cursor of the previous page; None for the first page.
        limit: the most rows of the page.
        parts: disjoint conditions; rows that meet one of them are in the list. Each part is read
            by its own index. No part: all rows of the query.

    Raises:
        BadCursor: if the cursor does not belong to this list.
    """
    if cursor is not None:
        query = query.where(by < _decoded(cursor, by))
    if len(parts) == 1:
        query = query.where(parts[0])
    elif parts:
        query = query.where(by.in_(_newest(query, by, limit + 1, parts)))
    query = query.order_by(by.desc()).limit(limit + 1)
    found = session.scalars(query).all()
    more = len(found) > limit
    return Page(found[:limit], _encoded(found[limit - 1], by) if more else None)


def _newest(
    query: Select[Any],
    by: InstrumentedAttribute[Any],
    number: int,
    parts: Sequence[ColumnElement[bool]],
) -> Select[Any]:
    """The newest ids of all parts of a query, from the newest ids of each."""
    ids = select(by.label("id"))
    if query.whereclause is not None:
        ids = ids.where(query.whereclause)
    each = union_all(*(ids.where(part).order_by(by.desc()).limit(number) for part in parts))
    merged = each.subquery()
    return select(merged.c.id).order_by(merged.c.id.desc()).limit(number)


def position_cursor(job_id: str, position: int) -> str:
    """The cursor for runs after a position in a job's plan."""
    return _cursor(job_id, position)


def position_of(cursor: str, job_id: str) -> int:
    """The position in a cursor of a job's runs.

    Raises:
        BadCursor: if the cursor does not belong to this job.
    """
    return int(_last(cursor, job_id, _POSITION))


def _encoded(last: Any, by: InstrumentedAttribute[Any]) -> str:
    return _cursor(last.__tablename__, getattr(last, by.key))


def _decoded(cursor: str, by: InstrumentedAttribute[Any]) -> Any:
    kind = by.type.python_type
    return kind(_last(cursor, by.class_.__tablename__, _IDS[kind]))


def _cursor(of: str, last: object) -> str:
    return base64.urlsafe_b64encode(f"{of} {last}".encode()).decode().rstrip("=")


def _last(cursor: str, of: str, looks: re.Pattern[str]) -> str:
    """The last id or position of the previous page, if the cursor belongs to this list."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        place = ""
    found_of, _, last = place.partition(" ")
    if found_of != of or not looks.fullmatch(last):
        shown = cursor if len(cursor) <= _SHOWN else f"{cursor[:_SHOWN]}..."
        raise BadCursor(
            f"cursor: '{shown}' is no cursor of this list; use the 'cursor' of the page before"
        )
    return last
