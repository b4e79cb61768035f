"""What a claim returns and writes."""

from dataclasses import fields
from datetime import timedelta

import psycopg
from sqlalchemy import func, select, update

from lth.spec.document import parse_spec
from lth.spec.plan import Assignment, plan
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import events, jobs
from service.store.runs import claims, finishing
from service.store.runs.finishing import Success
from service.store.states import JobState, RunState
from service.store.tables import Run
from tests.service.store.conftest import Claim, Submit, statements


def test_a_claim_returns_each_run_as_planned(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    follower = {"name": "c", "control": {"kind": "random_weights", "of": "a"}}
    document = {"kind": "session", "experiments": [{"name": "a"}, follower]}
    submit(document)

    for planned in plan(parse_spec(document)):
        claimed = claim()
        assert claimed is not None
        for field in fields(Assignment):
            assert getattr(claimed.planned, field.name) == getattr(planned, field.name)
        with database.transaction() as session:
            finishing.succeed(session, claimed.lease, Success(None, ()), settings)


def test_a_claim_is_three_statements_and_adds_an_event(
    submit: Submit, claim: Claim, database: Database
) -> None:
    submit()

    with statements(database) as seen:
        claimed = claim()

    assert claimed is not None
    assert len(seen) == 3, seen
    with database.transaction() as session:
        job = jobs.get(session, claimed.lease.job_id)
        assert (job.state, job.events) == (JobState.RUNNING, 2)
        assert job.started_at is not None
        event = events.since(session, job.id)[-1]
        assert (event.number, event.kind, event.run) == (2, "run_started", claimed.lease.key)
        assert event.data == {"attempt": 1, "worker": "host/1/1"}
        assert claimed.queued_at == job.created_at


def test_a_claim_stores_the_worker_and_the_end_of_its_lease(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    with database.transaction() as session:
        ended = update(Run).where(Run.job_id == job_id)
        session.execute(ended.values(finished_at=func.now(), seconds=100.0, max_seconds=130))

    first = claim()
    assert first is not None
    assert first.max_seconds == 30
    with database.transaction() as session:
        run, now = session.execute(select(Run, func.clock_timestamp())).one()
    assert (run.state, run.worker_id, run.finished_at) == (RunState.RUNNING, "host/1/1", None)
    assert now < run.lease_expires_at < now + settings.lease


def test_the_remaining_time_of_a_run_is_never_negative(
    submit: Submit, claim: Claim, database: Database
) -> None:
    submit()
    with database.transaction() as session:
        session.execute(update(Run).values(seconds=200.0, max_seconds=100))

    claimed = claim()
    assert claimed is not None
    assert claimed.max_seconds == 0


def test_each_claim_sends_a_notification_and_the_first_starts_the_job(
    submit: Submit, claim: Claim, database: Database
) -> None:
    job_id = submit({"kind": "robust", "trials": 2, "experiments": [{"name": "a"}]})
    started = []

    with psycopg.connect(database.url, autocommit=True) as listening:
        listening.execute(f"LISTEN {events.CHANNEL}")
        for _ in range(2):
            claim()
            with database.transaction() as session:
                started.append(jobs.get(session, job_id).started_at)
        received = [one.payload for one in listening.notifies(timeout=60, stop_after=2)]

    assert received == [f"{job_id}:2", f"{job_id}:3"]
    assert started[0] == started[1] is not None


def test_the_time_in_the_queue_starts_when_the_run_could_start(
    submit: Submit, claim: Claim, database: Database
) -> None:
    submit()
    with database.transaction() as session:
        session.execute(update(Run).values(queued_at=func.now() + timedelta(minutes=5)))
        queued_at = session.scalars(select(Run.queued_at)).one()

    claimed = claim()
    assert claimed is not None
    assert claimed.queued_at == queued_at


def test_a_pool_has_work_while_one_of_its_runs_is_queued(
    submit: Submit, claim: Claim, database: Database
) -> None:
    submit()
    with database.transaction() as session:
        assert claims.waiting(session, "cpu")
        assert not claims.waiting(session, "gpu")
    claim()
    with database.transaction() as session:
        assert not claims.waiting(session, "cpu")
