"""A submission is written once for each idempotency key, within quotas, and as a whole."""

import hashlib
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import func, inspect, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.settings import Settings
from service.store.accounts import audit, owners
from service.store.accounts.owners import Quota
from service.store.accounts.viewers import Viewer
from service.store.database import Database
from service.store.errors import BadCursor, IdempotencyMismatch, QuotaExceeded
from service.store.jobs import events, jobs, submitting
from service.store.jobs.jobs import JobFilter
from service.store.jobs.submitting import Idempotency
from service.store.tables import (
    AuditEntry,
    Event,
    IdempotentRequest,
    Job,
    Run,
    RunNeed,
    Webhook,
)
from tests.service.store.conftest import Submit, statements

KEY = Idempotency("once", hashlib.sha256(b"body").hexdigest())


SESSION = {"kind": "session", "experiments": [{"name": "a"}, {"name": "b"}]}
CURSOR = b64encode(f"jobs job_{'0' * 32}".encode()).decode().rstrip("=")


def rows(session: Session) -> dict[str, int]:
    """The number of rows in each table that a submission writes to."""
    tables = (IdempotentRequest, Job, Run, RunNeed, Event, Webhook, AuditEntry)
    counts = {
        table.__tablename__: session.scalar(select(func.count()).select_from(table))
        for table in tables
    }
    return {name: number or 0 for name, number in counts.items()}


def count(database: Database) -> int:
    with database.transaction() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def test_a_hundred_identical_concurrent_submissions_create_one_job(
    submit: Submit, database: Database
) -> None:
    with ThreadPoolExecutor(20) as threads:
        created = set(threads.map(lambda _: submit(idempotency=KEY), range(100)))

    assert (len(created), count(database)) == (1, 1)


def test_an_idempotency_key_with_another_body_is_refused(
    submit: Submit, database: Database
) -> None:
    submit(idempotency=KEY)

    with pytest.raises(IdempotencyMismatch, match="use a new key"):
        submit(idempotency=Idempotency("once", "0" * 64))
    assert submit(owner="bob", idempotency=KEY), "each owner has separate keys"
    assert count(database) == 2


def test_an_idempotency_key_expires(submit: Submit, database: Database, settings: Settings) -> None:
    first = submit(idempotency=KEY)
    old = timedelta(hours=settings.idempotency_hours, seconds=1)
    with database.transaction() as session:
        session.execute(
            update(IdempotentRequest).values(created_at=IdempotentRequest.created_at - old)
        )

    another = Idempotency(KEY.key, "0" * 64)
    second = submit(idempotency=another)
    assert second != first
    assert submit(idempotency=another) == second, "the key is stored again"


def test_an_owner_at_the_quota_of_unfinished_jobs_is_refused(
    submit: Submit, database: Database
) -> None:
    submit()
    with database.transaction() as session:
        owners.set_quota(session, "ann", Quota(max_queued=2))
    submit()

    with pytest.raises(QuotaExceeded, match="2 unfinished jobs"):
        submit()
    assert submit(owner="bob")
    assert count(database) == 3


def test_the_quota_is_exact_for_concurrent_submissions(submit: Submit, database: Database) -> None:
    submit()
    with database.transaction() as session:
        owners.set_quota(session, "ann", Quota(max_queued=5))

    def created(_: int) -> bool:
        with suppress(QuotaExceeded):
            return bool(submit())
        return False

    with ThreadPoolExecutor(12) as threads:
        assert sum(threads.map(created, range(24))) == 4
    assert count(database) == 5


@pytest.mark.parametrize("more", [{}, {"idempotency": KEY}, {"webhook": "https://example.org"}])
def test_a_submission_is_one_statement(submit: Submit, database: Database, more: dict) -> None:
    submit()

    with statements(database) as seen:
        job_id = submit(SESSION, **more)

    assert len(seen) == 1, seen
    with database.transaction() as session:
        keys = session.scalars(select(Run.key).where(Run.job_id == job_id)).all()
        assert len(keys) == jobs.get(session, job_id).runs_total == 3
        needed = select(func.count()).select_from(RunNeed).join(Run, Run.id == RunNeed.run_id)
        assert session.scalar(needed.where(Run.job_id == job_id)) == 2
        assert [event.kind for event in events.since(session, job_id)] == ["job_queued"]
        assert audit.page(session, limit=1).rows[0].subject == job_id
        hook = session.get(Webhook, job_id)
        assert (hook is not None and hook.url) == more.get("webhook", False)


def test_a_refused_submission_leaves_no_rows(submit: Submit, database: Database) -> None:
    submit()
    submit(owner="bob")
    with database.transaction() as session:
        owners.set_quota(session, "ann", Quota(max_queued=1))
        before = rows(session)

    with pytest.raises(QuotaExceeded):
        submit(SESSION, idempotency=KEY)
    with pytest.raises(IntegrityError):
        submit(SESSION, owner="bob", dataset_id="ds_gone", idempotency=KEY)
    with database.transaction() as session:
        owners.set_quota(session, "ann", Quota())
        assert rows(session) == before
    assert submit(SESSION, idempotency=KEY), "the key is unused"


def test_pages_do_not_shift_while_jobs_are_added(submit: Submit, database: Database) -> None:
    old = [submit() for _ in range(6)]
    with database.transaction() as session:
        first = jobs.page(session, JobFilter(owner="ann"), limit=2)
    submit()
    with database.transaction() as session:
        second = jobs.page(session, JobFilter(owner="ann"), first.cursor, limit=2)
        third = jobs.page(session, JobFilter(owner="ann"), second.cursor, limit=2)

    seen = [job.id for page in (first, second, third) for job in page.rows]
    assert seen == old[::-1]
    assert third.cursor is None
    assert "spec" in inspect(first.rows[0]).unloaded, "a list of jobs does not load the specs"


def test_filters_select_jobs(submit: Submit, database: Database) -> None:
    mine = submit({"name": "A 100% Ticket", "labels": {"team": "red", "x": "1"}})
    submit({"name": "other", "labels": {"team": "blue"}})
    submit({"labels": {"team": "red"}}, owner="bob")

    def found(**wanted) -> list[str]:
        with database.transaction() as session:
            return [job.id for job in jobs.page(session, JobFilter(**wanted)).rows]

    assert found(owner="ann", labels={"team": "red"}) == [mine]
    assert found(labels={"team": "red", "x": "1"}) == [mine]
    assert found(text="100% tick") == [mine]
    assert found(text="%") == [mine], "a percent sign is not a wildcard"
    assert len(found(owner="ann")) == 2
    with database.transaction() as session:
        created_at = jobs.get(session, mine).created_at
    assert mine in found(created_from=created_at)
    assert found(created_before=created_at) == []


@pytest.mark.parametrize(
    "cursor", ["", "%%%", "am9i", "ÄÖ", "am9iXwA", "am9iXzEK", f"%%%%{CURSOR}"]
)
def test_a_malformed_cursor_is_refused(database: Database, cursor: str) -> None:
    with database.transaction() as session:
        assert jobs.page(session, JobFilter(), CURSOR).rows == []
    with pytest.raises(BadCursor), database.transaction() as session:
        jobs.page(session, JobFilter(), cursor)


def test_the_newest_succeeded_job_of_the_same_owner_is_reused(
    submit: Submit, database: Database
) -> None:
    _, job_id = submit(), submit()
    with database.transaction() as session:
        digest = jobs.get(session, job_id).spec_hash
        assert submitting.reusable(session, Viewer("ann"), digest) is None
        session.execute(update(Job).values(state="succeeded"))
    with database.transaction() as session:
        found = submitting.reusable(session, Viewer("ann"), digest)
        assert found is not None
        assert found.id == job_id
        assert submitting.reusable(session, Viewer("bob"), digest) is None


def test_lists_are_filtered_by_data_set_network_and_accuracy(
    submit: Submit, database: Database
) -> None:
    small, conv = submit(), submit({"network": "conv-2", "dataset": "mnist"})
    with database.transaction() as session:
        jobs.get(session, small).best_accuracy = 0.5
        jobs.get(session, conv).best_accuracy = 0.9

    def found(**wanted: object) -> list[str]:
        with database.transaction() as session:
            return [job.id for job in jobs.page(session, JobFilter(**wanted)).rows]  # pyright: ignore[reportArgumentType]

    assert found(dataset="mnist") == found(network="conv-2") == found(min_accuracy=0.9) == [conv]
    assert found(dataset="digits") == found(network="lenet-300-100") == [small]
    assert found(min_accuracy=0.5) == [conv, small]
    assert found(dataset="mnist", network="lenet-300-100") == []
    assert found(min_accuracy=0.95) == []
