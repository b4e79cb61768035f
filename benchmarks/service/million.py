"""Measures claims and lists in a database with a million jobs (6 GB)."""

import secrets
import time
from collections.abc import Mapping

from sqlalchemy import text

from service.settings import Settings
from service.store.database import Database
from service.store.runs.claims import claim
from service.store.tables import Job, Run, Table
from service.store.tables.workers import WorkerState
from service.store.workers.workers import WorkerFacts, register, report

JOBS = 1_000_000
QUEUED = 20_000
POOL = "million"

_ID = "'job_' || lpad(to_hex(n), 32, '0')"


def fill(database: Database, template: str) -> None:
    """Copy a queued job a million times; mark most as succeeded, and leave the last ones queued."""
    state = f"CASE WHEN n > {JOBS - QUEUED} THEN 'queued' ELSE 'succeeded' END"
    finished = f"CASE WHEN n > {JOBS - QUEUED} THEN NULL ELSE now() END"
    shared = {"state": state, "pool": f"'{POOL}'", "finished_at": finished}
    with database.transaction() as session:
        for table, changed in (
            (Job, {**shared, "id": _ID, "name": "'copy ' || n"}),
            (Run, {**shared, "job_id": _ID, "id": "gen_random_uuid()"}),
        ):
            source = {"jobs": "id", "runs": "job_id"}[table.__tablename__]
            session.execute(
                text(
                    f"INSERT INTO {table.__tablename__} ({_columns(table)}) "  # noqa: S608
                    f"SELECT {_columns(table, changed)} FROM {table.__tablename__} t, "
                    f"generate_series(1, {JOBS}) n WHERE t.{source} = :template"
                ),
                {"template": template},
            )
    with database.transaction() as session:
        session.execute(text("ANALYZE"))


def claims(database: Database, settings: Settings, count: int) -> list[float]:
    """Seconds of single claims; the claimed runs stay claimed."""
    worker = f"bench/0-0/{secrets.token_hex(4)}"
    with database.transaction() as session:
        facts = WorkerFacts(
            id=worker, node="bench/0-0", host="bench", pid=1, pools=[POOL], device="cpu"
        )
        register(session, facts)
    seconds: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        with database.transaction() as session:
            claimed = claim(session, worker, [POOL], settings)
            assert claimed is not None
            report(session, worker, WorkerState.BUSY, run_id=claimed.lease.run_id)
        seconds.append(time.perf_counter() - began)
    return seconds


def _columns(table: type[Table], changed: Mapping[str, str] | None = None) -> str:
    names = [column.name for column in table.__table__.columns]
    if changed is None:
        return ", ".join(names)
    return ", ".join(changed.get(name, f"t.{name}") for name in names)
