"""What is looked up among all jobs of all time goes by an index made for it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from service.store import measuring, owners, speeds
from service.store.database import Database
from tests.service.store.conftest import Submit


def plans(database: Database, look: Callable[[Session], object]) -> str:
    """How Postgres does what `look` asks it, were the tables too long to be read."""
    found: list[str] = []

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        with cursor.connection.cursor() as beside:
            found.extend(row[0] for row in beside.execute(f"EXPLAIN {statement}", parameters))

    with database.transaction() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(database._engine, "before_cursor_execute", explain)
        look(session)
        event.remove(database._engine, "before_cursor_execute", explain)
    return "\n".join(found)


@pytest.mark.parametrize(
    ("index", "look"),
    [
        ("ix_jobs_unfinished", lambda session: owners.with_holdings(session)),
        ("ix_runs_blocked", measuring.measure),
        ("ix_runs_trained", lambda session: speeds.trained(session, ["a" * 64, "b" * 64])),
    ],
)
def test_index_is_used(
    index: str, look: Callable[[Session], object], submit: Submit, database: Database
) -> None:
    submit()
    assert f" {index}" in plans(database, look)
