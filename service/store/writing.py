"""Rows of several tables, written by one statement: one trip to Postgres, not one a table."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from service.store.tables import Table

Row = dict[str, Any]
"""Columns and their values, as plain data, dates or ids."""
Rows = Mapping[type[Table], Sequence[Row]]


def write(
    connection: Connection,
    rows: Rows,
    gate: str = "SELECT",
    parameters: Mapping[str, object] | None = None,
) -> bool:
    """Insert new rows, in any order: foreign keys are looked at when all of them are there.

    Args:
        connection: in a transaction, or none: the statement is one by itself.
        rows: those of a table have the same columns; the others get Postgres' defaults.
        gate: a statement; the rows are written only if it finds or returns one of its own.
        parameters: of the gate.

    Returns:
        Whether the rows were written.
    """
    there = {kind.__tablename__: of_kind for kind, of_kind in rows.items() if of_kind}
    columns = tuple((table, ", ".join(of_kind[0])) for table, of_kind in there.items())
    values = {table: json.dumps(of_kind, default=str) for table, of_kind in there.items()}
    written = connection.execute(_insert(columns, gate), {**values, **(parameters or {})})
    return written.first() is not None


@cache
def _insert(columns_of: tuple[tuple[str, str], ...], gate: str) -> TextClause:
    """The statement that inserts into some columns of some tables."""
    parts = [f"gate AS ({gate})"]
    for table, columns in columns_of:
        rows = f"jsonb_populate_recordset(CAST(NULL AS {table}), CAST(:{table} AS jsonb))"
        insert = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM gate CROSS JOIN {rows}"  # noqa: S608
        parts.append(f"into_{table} AS ({insert})")
    return text(f"WITH {', '.join(parts)} SELECT true FROM gate")  # noqa: S608
