"""Inserts rows of several tables with one statement, in one round trip."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from service.store.tables import Table

Row = dict[str, Any]
"""Values by column, as plain data, dates or ids."""
Rows = Mapping[type[Table], Sequence[Row]]
Moments = tuple[tuple[type[Table], str, str], ...]
"""Columns that Postgres computes by its clock: table, column, and SQL expression."""


def write(
    connection: Connection,
    rows: Rows,
    gate: str = "SELECT",
    parameters: Mapping[str, object] | None = None,
    moments: Moments = (),
) -> datetime | None:
    """Insert new rows in any order; foreign keys are checked at the end.

    Args:
        connection: in a transaction or not; the statement is atomic.
        rows: rows of a table have the same columns; other columns get Postgres' defaults.
        gate: a statement; the rows are written only if it returns a row.
        parameters: of the gate and of `moments`.
        moments: columns that are not in `rows`; an expression may use other columns of its row.

    Returns:
        Postgres' time of the transaction; None if the gate prevented the insert.
    """
    there = {kind.__tablename__: of_kind for kind, of_kind in rows.items() if of_kind}
    columns = tuple((table, ", ".join(of_kind[0])) for table, of_kind in there.items())
    values = {table: json.dumps(of_kind, default=str) for table, of_kind in there.items()}
    worked_out = tuple((kind.__tablename__, column, sql) for kind, column, sql in moments)
    insert = _insert(columns, gate, worked_out)
    return connection.scalar(insert, {**values, **(parameters or {})})


@cache
def _insert(
    columns_of: tuple[tuple[str, str], ...], gate: str, moments: tuple[tuple[str, str, str], ...]
) -> TextClause:
    """The statement that inserts into some columns of some tables."""
    parts = [f"gate AS ({gate})"]
    for table, columns in columns_of:
        rows = f"jsonb_populate_recordset(CAST(NULL AS {table}), CAST(:{table} AS jsonb))"
        own = [(column, sql) for of_table, column, sql in moments if of_table == table]
        into = ", ".join([columns, *(column for column, _ in own)])
        values = ", ".join([columns, *(sql for _, sql in own)])
        insert = f"INSERT INTO {table} ({into}) SELECT {values} FROM gate CROSS JOIN {rows}"  # noqa: S608
        parts.append(f"into_{table} AS ({insert})")
    return text(f"WITH {', '.join(parts)} SELECT now() FROM gate LIMIT 1")  # noqa: S608
