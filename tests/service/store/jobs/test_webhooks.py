"""A webhook is called by one process at a time, and calls do not affect each other."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from service.store.database import Database
from service.store.jobs import webhooks
from service.store.jobs.webhooks import DELAYS
from service.store.tables import Job, Webhook
from tests.service.store.conftest import Submit


@pytest.fixture
def ended(submit: Submit, database: Database) -> list[str]:
    """Two finished jobs and one unfinished job, each with a webhook."""
    job_ids = [submit(webhook="https://a.org") for _ in range(3)]
    with database.transaction() as session:
        session.execute(
            update(Job).where(Job.id.in_(job_ids[:2])).values(finished_at=func.clock_timestamp())
        )
        webhooks.reset(session, job_ids[0])
        second = update(Webhook).where(Webhook.job_id == job_ids[1])
        session.execute(second.values(next_at=func.now() - timedelta(minutes=1)))
    return job_ids


def due(database: Database, limit: int = 20) -> list[str]:
    with database.transaction() as session:
        return [call.job_id for call in webhooks.claim_due(session, limit)]


def attempts(database: Database) -> list[int]:
    with database.transaction() as session:
        return list(session.scalars(select(Webhook.attempts).order_by(Webhook.job_id)))


def test_concurrent_claims_return_different_webhooks(database: Database, ended: list[str]) -> None:
    with database.transaction() as first, database.transaction() as second:
        calls = [webhooks.claim_due(session, 1) for session in (first, second, second)]
        assert sorted(call.job_id for claimed in calls for call in claimed) == ended[:2]
    assert due(database) == []
    assert attempts(database) == [1, 1, 0]


def test_the_webhook_that_is_due_longest_is_claimed_first(
    database: Database, ended: list[str]
) -> None:
    assert [due(database, 1), due(database, 1)] == [[ended[1]], [ended[0]]]


def test_a_retry_resets_a_webhook_that_was_given_up(database: Database, ended: list[str]) -> None:
    with database.transaction() as session:
        (call, _) = sorted(webhooks.claim_due(session), key=lambda call: call.job_id)
        webhooks.failed(session, replace(call, attempts=len(DELAYS)), "answered 500")
    with database.transaction() as session:
        hook = webhooks.get(session, ended[0])
        assert hook is not None
        assert (hook.given_up_at is None, hook.error) == (False, "answered 500")
        webhooks.reset(session, ended[0])

    assert due(database) == [ended[0]]
    with database.transaction() as session:
        hook = webhooks.get(session, ended[0])
        assert hook is not None
        assert (hook.attempts, hook.given_up_at, hook.error) == (1, None, None)
        webhooks.failed(session, call, "answered 500")
        webhooks.delivered(session, ended[0])
    with database.transaction() as session:
        hook = webhooks.get(session, ended[0])
        assert hook is not None
        assert (hook.delivered_at is None, hook.error) == (False, None)
