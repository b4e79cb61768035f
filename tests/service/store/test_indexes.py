"""Queries over all jobs use indexes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from service.store.accounts import owners
from service.store.accounts.viewers import Viewer
from service.store.blobs import datasets
from service.store.database import Database
from service.store.jobs import jobs
from service.store.jobs.jobs import JobFilter
from service.store.runs import speeds
from service.store.states import JobState
from service.store.workers import measurements
from tests.service.store.conftest import Submit


def plans(database: Database, query: Callable[[Session], object]) -> str:
    """How Postgres executes the statements of `query` if sequential scans are too slow."""
    found: list[str] = []

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        with cursor.connection.cursor() as cursor_for_plans:
            found.extend(
                row[0] for row in cursor_for_plans.execute(f"EXPLAIN {statement}", parameters)
            )

    with database.transaction() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(database._engine, "before_cursor_execute", explain)
        query(session)
        event.remove(database._engine, "before_cursor_execute", explain)
    return "\n".join(found)


FAILED = JobFilter(owner="ann", states=[JobState.FAILED])
OF_A_TEAM = Viewer("ann", ("vision",))
FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
OF_A_DAY = JobFilter(created_from=FIRST_DAY, created_before=FIRST_DAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("index", "query"),
    [
        ("ix_jobs_owner_state_id", lambda session: owners.with_holdings(session)),
        ("ix_jobs_owner_state_id", lambda session: jobs.page(session, FAILED)),
        ("ix_jobs_team_id", lambda session: jobs.page(session, JobFilter(OF_A_TEAM))),
        ("ix_jobs_owner_id", lambda session: jobs.page(session, JobFilter(OF_A_TEAM))),
        (
            "ix_jobs_team_state_id",
            lambda session: jobs.page(session, JobFilter(OF_A_TEAM, states=[JobState.FAILED])),
        ),
        ("ix_datasets_team_id", lambda session: datasets.page(session, OF_A_TEAM)),
        ("ix_jobs_labels", lambda session: jobs.page(session, JobFilter(labels={"a": "b"}))),
        ("ix_runs_pool_finished_at", lambda session: speeds.recent(session, "cpu")),
        ("ix_runs_pool_finished_at", measurements.measure),
        ("ix_runs_blocked", measurements.measure),
        ("ix_runs_trained", lambda session: speeds.trained(session, ["a" * 64, "b" * 64])),
    ],
)
def test_the_query_uses_the_index(
    index: str, query: Callable[[Session], object], submit: Submit, database: Database
) -> None:
    submit()
    assert f" {index}" in plans(database, query)


def test_jobs_of_a_period_are_found_by_their_ids(submit: Submit, database: Database) -> None:
    submit()
    plan = plans(database, lambda session: jobs.page(session, OF_A_DAY))
    (condition,) = (line for line in plan.splitlines() if "Index Cond" in line)
    # A minute before the first day of 2025, and a minute after it.
    assert ">= 'job_01941f2891a0'" in condition, condition
    assert "< 'job_01942450c260'" in condition, condition
