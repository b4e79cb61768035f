"""Submitting: once per idempotency key, within quotas, whole or not at all."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from service.settings import Settings
from service.store import jobs, owners, submitting
from service.store.database import Database
from service.store.errors import BadCursor, IdempotencyMismatch, QuotaExceeded
from service.store.jobs import JobFilter
from service.store.owners import Quota
from service.store.submitting import Idempotency
from service.store.tables import IdempotentRequest, Job
from tests.service.store.conftest import Submit

KEY = Idempotency("once", hashlib.sha256(b"body").hexdigest())


def count(database: Database) -> int:
    with database.transaction() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def test_a_hundred_identical_submits_at_once_make_one_job(
    submit: Submit, database: Database
) -> None:
    with ThreadPoolExecutor(20) as threads:
        made = set(threads.map(lambda _: submit(idempotency=KEY), range(100)))

    assert (len(made), count(database)) == (1, 1)


def test_same_key_with_another_body_is_refused(submit: Submit, database: Database) -> None:
    submit(idempotency=KEY)

    with pytest.raises(IdempotencyMismatch, match="use a new key"):
        submit(idempotency=Idempotency("once", "0" * 64))
    assert submit(owner="bob", idempotency=KEY), "keys of other owners are other keys"
    assert count(database) == 2


def test_key_is_forgotten_after_its_time(
    submit: Submit, database: Database, settings: Settings
) -> None:
    first = submit(idempotency=KEY)
    old = timedelta(hours=settings.idempotency_hours, seconds=1)
    with database.transaction() as session:
        session.execute(
            update(IdempotentRequest).values(created_at=IdempotentRequest.created_at - old)
        )

    assert submit(idempotency=KEY) != first


def test_owner_at_the_quota_of_queued_jobs_is_told_so(submit: Submit, database: Database) -> None:
    submit()
    with database.transaction() as session:
        owners.set_quota(session, "ann", Quota(max_queued=2))
    submit()

    with pytest.raises(QuotaExceeded, match="2 unfinished jobs"):
        submit()
    assert submit(owner="bob")
    assert count(database) == 3


def test_pages_stay_right_while_jobs_are_added(submit: Submit, database: Database) -> None:
    old = [submit() for _ in range(5)]
    with database.transaction() as session:
        first = jobs.page(session, JobFilter(owner="ann"), limit=2)
    submit()
    with database.transaction() as session:
        second = jobs.page(session, JobFilter(owner="ann"), first.cursor, limit=2)
        third = jobs.page(session, JobFilter(owner="ann"), second.cursor, limit=2)

    seen = [job.id for page in (first, second, third) for job in page.jobs]
    assert seen == old[::-1]
    assert third.cursor is None


def test_filters_narrow_a_list(submit: Submit, database: Database) -> None:
    mine = submit({"name": "A 100% Ticket", "labels": {"team": "red", "x": "1"}})
    submit({"name": "other", "labels": {"team": "blue"}})
    submit({"labels": {"team": "red"}}, owner="bob")

    def found(**wanted) -> list[str]:
        with database.transaction() as session:
            return [job.id for job in jobs.page(session, JobFilter(**wanted)).jobs]

    assert found(owner="ann", labels={"team": "red"}) == [mine]
    assert found(labels={"team": "red", "x": "1"}) == [mine]
    assert found(text="100% tick") == [mine]
    assert found(text="%") == [mine], "a per cent sign is no pattern"
    assert len(found(owner="ann")) == 2


@pytest.mark.parametrize("cursor", ["", "%%%", "am9i", "ÄÖ"])
def test_foreign_cursor_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(BadCursor), database.transaction() as session:
        jobs.page(session, JobFilter(), cursor)


def test_only_a_succeeded_job_of_the_same_owner_is_reused(
    submit: Submit, database: Database
) -> None:
    job_id = submit()
    with database.transaction() as session:
        digest = jobs.get(session, job_id).spec_hash
        assert submitting.reusable(session, "ann", digest) is None
        session.execute(update(Job).values(state="succeeded"))
    with database.transaction() as session:
        found = submitting.reusable(session, "ann", digest)
        assert found is not None
        assert found.id == job_id
        assert submitting.reusable(session, "bob", digest) is None
