"""Migrations create the tables, from nothing or from any earlier release with rows."""

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import func, inspect, select, text

from lth.spec.document import parse_spec
from lth.spec.plan import plan
from service.settings import Settings
from service.store.accounts.audit import Actor
from service.store.database import Database, make_engine
from service.store.jobs import submitting
from service.store.jobs.submitting import Submission
from service.store.migrate import _config, migrate, up_to_date
from service.store.runs import artifacts
from service.store.states import Reason, RunState
from service.store.tables import BlobDoubt, Event, Job, Owner, Run, StoredBlob
from service.store.workers.measurements import measure
from tests import ROOT

REVISIONS = [step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions()][
    ::-1
]


def test_migrations_create_the_tables_that_the_code_declares(empty_database_url: str) -> None:
    assert not up_to_date(empty_database_url)
    migrate(empty_database_url)
    assert up_to_date(empty_database_url)

    engine = make_engine(empty_database_url)
    with engine.connect() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.check(config)
    engine.dispose()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_upgrade_keeps_the_rows_of_an_earlier_release(
    empty_database_url: str, revision: str
) -> None:
    migrate(empty_database_url, revision)
    insert_job_of_first_release(empty_database_url)

    migrate(empty_database_url)

    database = Database(empty_database_url)
    with database.transaction() as session:
        job = session.scalars(select(Job)).one()
        run = session.scalars(select(Run)).one()
        assert (job.id, job.name, run.key) == ("job_" + "0" * 32, "old", "trial-1/ticket")
        # The checkpoint is older than the counting of stored bytes.
        assert session.get_one(Owner, "ann").stored_bytes == 1234
    spec = parse_spec({"kind": "model"})
    again = submitting.submit(database, Submission(Actor("ann"), spec, plan(spec)), Settings())
    assert again.created
    database.close()


def test_an_upgrade_fills_in_what_lists_show(empty_database_url: str) -> None:
    migrate(empty_database_url, "0019")
    engine = make_engine(empty_database_url)
    spec = {"network": {"kind": "conv-2"}, "dataset": {"kind": "mnist"}}
    levels = [{"early_stop": {"test": {"accuracy": each}}} for each in (0.25, 0.75, 0.5)]
    # More jobs than a step of the upgrade takes.
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO owners (name) VALUES ('ann')",
            "INSERT INTO jobs (id, owner, name, kind, spec, spec_hash, labels, priority, pool,"
            " state, runs_total, runs_finished, events) SELECT 'job_' || lpad('' || n, 32, '0'),"
            " 'ann', '', 'model', :spec, 'x', '{}', 50, 'cpu', 'queued', 1, 0, 0"
            " FROM generate_series(1, 4100) n",
            "INSERT INTO runs (id, job_id, key, position, kind, trial, seed, trunk, owner, pool,"
            " rank, max_seconds, state, waiting_for, attempt, losses, cancel_requested, seconds)"
            " SELECT gen_random_uuid(), id, 'a', 1, 'experiment', 1, 7, 'x', 'ann', 'cpu', now(),"
            " 60, 'queued', 0, 0, 0, false, 0 FROM jobs WHERE id LIKE '%3001'",
            "INSERT INTO results (run_id, job_id, document) SELECT id, job_id, :result FROM runs",
        ):
            values = {"spec": json.dumps(spec), "result": json.dumps({"levels": levels})}
            connection.execute(text(statement), {k: v for k, v in values.items() if k in statement})
    engine.dispose()

    migrate(empty_database_url)

    database = Database(empty_database_url)
    with database.transaction() as session:
        columns = (Job.dataset, Job.network, Job.best_accuracy, func.count())
        found = session.execute(select(*columns).group_by(*columns[:3]).order_by(func.count()))
        assert [tuple(row) for row in found] == [
            ("mnist", "conv-2", 0.75, 1),
            ("mnist", "conv-2", None, 4099),
        ]
    database.close()


def test_an_upgrade_counts_data_sets_as_their_decoded_arrays(
    empty_database_url: str,
) -> None:
    migrate(empty_database_url, "0012")
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO owners (name) VALUES ('ann')",
            "INSERT INTO blobs (digest, size) VALUES (repeat('a', 64), 300)",
            "INSERT INTO datasets (id, owner, name, digest, size, facts) SELECT 'ds_' || n, 'ann',"
            " n, repeat('a', 64), 300, said::jsonb FROM (VALUES"
            """ ('1', '{"shape": [5, 4, 3], "train": 9, "test": 1, "classes": 2}'),"""
            """ ('2', '{"shape": [7], "train": 9, "test": 1, "classes": 2}')) known (n, said)""",
        ):
            connection.execute(text(statement.replace(":", "\\:")))
        stored = connection.scalar(text("SELECT stored_bytes FROM owners"))
    assert stored == 600

    migrate(empty_database_url)

    with engine.begin() as connection:
        sizes = connection.scalars(text("SELECT decoded_size FROM datasets ORDER BY id")).all()
        assert sizes == [10 * 60, 10 * 7]
        assert connection.scalar(text("SELECT stored_bytes FROM owners")) == 600 + 300
        connection.execute(text("DELETE FROM datasets"))
        assert connection.scalar(text("SELECT stored_bytes FROM owners")) == 0
    engine.dispose()


@pytest.mark.parametrize(
    ("ticket", "report", "before", "after"),
    [
        ("succeeded", "succeeded", "succeeded", ("succeeded", 1, 1)),
        ("succeeded", "queued", "running", ("succeeded", 1, 1)),
        ("succeeded", "failed", "failed", ("succeeded", 1, 1)),
        ("failed", "cancelled", "failed", ("failed", 1, 1)),
        ("cancelled", "cancelled", "cancelled", ("cancelled", 1, 1)),
        ("running", "blocked", "running", ("running", 1, 0)),
        ("queued", "blocked", "queued", ("queued", 1, 0)),
    ],
)
def test_an_upgrade_deletes_report_runs_and_keeps_their_files(
    empty_database_url: str, ticket: str, report: str, before: str, after: tuple[str, int, int]
) -> None:
    migrate(empty_database_url, "0004")
    insert_job_of_first_release(empty_database_url)
    engine = make_engine(empty_database_url)
    ended = {"succeeded", "failed", "cancelled"}
    with engine.begin() as connection:
        for statement in (
            f"UPDATE runs SET state = '{ticket}'",
            f"UPDATE jobs SET state = '{before}', kind = 'session', runs_total = 2, events = 1,"
            """ failure = '{"run": "report"}',"""
            f" finished_at = {'now()' if before in ended else 'NULL'}",
            "INSERT INTO events (job_id, number, kind, data)"
            " SELECT id, 1, 'job_queued', '{}' FROM jobs",
            "INSERT INTO blobs (digest, size) VALUES (repeat('c', 64), 10), (repeat('d', 64), 99)",
            "INSERT INTO runs (id, job_id, key, position, kind, trial, seed, owner, pool, rank,"
            " max_seconds, state, waiting_for, attempt, losses, cancel_requested, seconds)"
            " SELECT gen_random_uuid(), id, 'report', 1, 'report', 0, 7, 'ann', 'cpu', now(), 60,"
            f" '{report}', 0, 0, 0, false, 0 FROM jobs",
            "INSERT INTO run_needs (run_id, needs_id) SELECT a.id, b.id FROM runs a, runs b"
            " WHERE a.kind = 'report' AND b.kind <> 'report'",
            "INSERT INTO artifacts (job_id, name, run_id, digest, media_type, size)"
            " SELECT job_id, 'report/summary.json', id, repeat('d', 64), 'application/json', 99"
            " FROM runs WHERE kind = 'report'",
            "UPDATE runs SET log_digest = repeat('c', 64) WHERE kind = 'report'",
        ):
            connection.execute(text(statement.replace(":", "\\:")))

    migrate(empty_database_url)

    database = Database(empty_database_url)
    with database.transaction() as session:
        job = session.scalars(select(Job)).one()
        assert (job.state, job.runs_total, job.runs_finished) == after
        assert (job.finished_at is not None) == (after[0] in ended)
        assert job.failure is None
        assert [run.key for run in session.scalars(select(Run))] == ["trial-1/ticket"]
        (file,) = artifacts.of_job(session, job.id)
        assert (file.name, file.run_id) == ("report/summary.json", None)
        kinds = [event.kind for event in session.scalars(select(Event).order_by(Event.number))]
        finishes_now = before not in ended and after[0] in ended
        assert kinds == ["job_queued", *(["job_finished"] if finishes_now else [])]
        assert job.events == len(kinds)
        assert session.get_one(Owner, "ann").stored_bytes == 1234 + 99, (
            "the log of the report no longer counts"
        )
        session.delete(job)
    with database.transaction() as session:
        assert session.get_one(Owner, "ann").stored_bytes == 0
    database.close()
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
    engine.dispose()


def test_an_upgrade_counts_earlier_runs_once(empty_database_url: str) -> None:
    migrate(empty_database_url, "0006")
    insert_job_of_first_release(empty_database_url)
    engine = make_engine(empty_database_url)
    failed = "UPDATE runs SET state = 'failed', failure_reason = 'diverged', seconds = 2.5"
    for revision, statements in (
        ("0007", (failed, _ANOTHER_RUN)),
        ("0008", ("UPDATE runs SET state = 'succeeded', seconds = 4 WHERE key = 'another'",)),
    ):
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        migrate(empty_database_url, revision)
        if revision == "0007":
            with engine.begin() as connection:
                connection.execute(text("UPDATE runs SET seconds = 3 WHERE key = 'another'"))
    engine.dispose()

    migrate(empty_database_url)

    database = Database(empty_database_url)
    with database.transaction() as session:
        measured = measure(session)
    assert {state: count for state, count in measured.runs.items() if count} == {
        RunState.FAILED: 1, RunState.SUCCEEDED: 1
    }  # fmt: skip
    assert measured.failures == {Reason.DIVERGED: 1}
    assert measured.device_seconds == 6.5
    database.close()


def test_an_upgrade_creates_doubts_for_unused_blobs(empty_database_url: str) -> None:
    migrate(empty_database_url, "0008")
    insert_job_of_first_release(empty_database_url)
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text(
            "INSERT INTO blobs (digest, size, touched_at)"
            " VALUES ('unused', 1, now() - interval '1 year')"
        ))  # fmt: skip
    engine.dispose()

    migrate(empty_database_url)

    database = Database(empty_database_url)
    with database.transaction() as session:
        (doubt,) = session.scalars(select(BlobDoubt)).all()
        blob = session.get_one(StoredBlob, "unused")
        assert (doubt.digest, doubt.at) == ("unused", blob.touched_at)
    database.close()


def test_an_index_is_built_without_blocking_writers(empty_database_url: str) -> None:
    migrate(empty_database_url, "0007")
    insert_job_of_first_release(empty_database_url)
    engine = make_engine(empty_database_url)
    upgrade = threading.Thread(target=migrate, args=(empty_database_url,))
    with engine.connect() as before, engine.connect() as writing:
        before.execute(text("UPDATE runs SET position = 1"))
        upgrade.start()
        while not writing.scalar(
            text(
                "SELECT true FROM pg_stat_activity WHERE datname = current_database()"
                " AND query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'"
            )
        ):
            assert upgrade.is_alive()
            writing.rollback()
            time.sleep(0.02)
        writing.execute(text("SET LOCAL lock_timeout = '30s'"))
        writing.execute(text("UPDATE jobs SET priority = 1"))
        writing.execute(text(_ANOTHER_RUN))
        writing.commit()
        before.commit()
    upgrade.join()
    assert up_to_date(empty_database_url)
    engine.dispose()


@pytest.mark.parametrize(("before", "step"), [("0007", "0008"), ("0009", "0010"), ("0010", "0011")])
def test_an_interrupted_migration_can_be_repeated(
    empty_database_url: str, before: str, step: str
) -> None:
    """Migrations that do not block writers are not transactions."""
    migrate(empty_database_url, "0006")
    insert_job_of_first_release(empty_database_url)
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE runs SET state = 'succeeded', seconds = 2"))
    migrate(empty_database_url, step)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{before}'"))

    migrate(empty_database_url)

    database = Database(empty_database_url)
    with database.transaction() as session:
        measured = measure(session)
    assert (measured.runs[RunState.SUCCEEDED], measured.device_seconds) == (1, 2.0)
    database.close()
    with engine.connect() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.check(config)
    engine.dispose()


def test_the_service_may_be_installed_below_any_folder(tmp_path: Path) -> None:
    folder = tmp_path / "My 100% %(here)s #1"
    copytree(ROOT / "migrations", folder / "migrations")
    code = (
        "from alembic.script import ScriptDirectory; from service.store.migrate import _config;"
        "print(ScriptDirectory.from_config(_config()).dir)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == str(folder / "migrations"), done.stderr


def test_several_servers_can_migrate_at_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(migrate, empty_database_url) for _ in range(3)]:
            done.result()
    assert up_to_date(empty_database_url)


def test_every_migration_can_be_downgraded(empty_database_url: str) -> None:
    migrate(empty_database_url)

    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
    migrate(empty_database_url)


_ANOTHER_RUN = """
    INSERT INTO runs (id, job_id, key, position, kind, trial, seed, owner, pool, rank,
        max_seconds, state, waiting_for, attempt, losses, cancel_requested, seconds, trunk)
    SELECT gen_random_uuid(), job_id, 'another', 1, kind, 1, 7, owner, pool, rank,
        60, 'queued', 0, 0, 0, false, 0, trunk FROM runs
"""


def insert_job_of_first_release(url: str) -> None:
    """Insert a job by SQL, because the tables in the code are those of the latest release."""
    engine = make_engine(url)
    job_id = "job_" + "0" * 32
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO owners (name) VALUES ('ann')"))
        connection.execute(text(
            "INSERT INTO jobs (id, owner, name, kind, spec, spec_hash, labels, priority, pool,"
            " state, runs_total, runs_finished, events) VALUES (:id, 'ann', 'old', 'model', '{}',"
            " repeat('0', 64), '{}', 50, 'cpu', 'queued', 1, 0, 0)"
        ), {"id": job_id})  # fmt: skip
        connection.execute(text(
            "INSERT INTO blobs (digest, size) VALUES (repeat('a', 64), 1234)"
        ))  # fmt: skip
        connection.execute(text(
            "INSERT INTO runs (id, job_id, key, position, kind, trial, seed, owner, pool, rank,"
            " max_seconds, state, waiting_for, attempt, losses, cancel_requested, seconds, trunk)"
            " VALUES (gen_random_uuid(), :id, 'trial-1/ticket', 0, 'experiment', 1, 7, 'ann',"
            " 'cpu', now(), 60, 'queued', 0, 0, 0, false, 0, repeat('b', 64))"
        ), {"id": job_id})  # fmt: skip
        connection.execute(text("UPDATE runs SET checkpoint_digest = repeat('a', 64)"))
    engine.dispose()
