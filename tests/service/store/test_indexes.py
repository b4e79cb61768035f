"""Queries over all jobs use indexes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from service.store.accounts import owners
from service.store.database import Database
from service.store.jobs import jobs
from service.store.jobs.jobs import JobFilter
from service.store.runs import speeds
from service.store.states import JobState
from service.store.workers import measurements
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


FAILED = JobFilter(owner="ann", states=[JobState.FAILED])
FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
OF_A_DAY = JobFilter(created_from=FIRST_DAY, created_before=FIRST_DAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("index", "look"),
    [
        ("ix_jobs_owner_state_id", lambda session: owners.with_holdings(session)),
        ("ix_jobs_owner_state_id", lambda session: jobs.page(session, FAILED)),
        ("ix_jobs_labels", lambda session: jobs.page(session, JobFilter(labels={"a": "b"}))),
        ("ix_runs_pool_finished_at", lambda session: speeds.recent(session, "cpu")),
        ("ix_runs_pool_finished_at", measurements.measure),
        ("ix_runs_blocked", measurements.measure),
        ("ix_runs_trained", lambda session: speeds.trained(session, ["a" * 64, "b" * 64])),
    ],
)
def test_index_is_used(
    index: str, look: Callable[[Session], object], submit: Submit, database: Database
) -> None:
    submit()
    assert f" {index}" in plans(database, look)


def test_jobs_of_a_time_are_found_by_their_ids(submit: Submit, database: Database) -> None:
    submit()
    plan = plans(database, lambda session: jobs.page(session, OF_A_DAY))
    (condition,) = (line for line in plan.splitlines() if "Index Cond" in line)
    # A minute before the first day of 2025, and a minute after it.
    assert ">= 'job_01941f2891a0'" in condition, condition
    assert "< 'job_01942450c260'" in condition, condition
