"""Commands on one job change no other job and no other owner."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.settings import Settings
from service.store.accounts import owners
from service.store.accounts.owners import Quota
from service.store.blobs.object_store import Blob
from service.store.blobs.saving import enter
from service.store.database import Database
from service.store.jobs import commands, jobs, webhooks
from service.store.jobs.events import EventKind, New
from service.store.jobs.submitting import Idempotency
from service.store.jobs.webhooks import Call
from service.store.runs import finishing, leases
from service.store.runs.finishing import Failure, Kept, Success
from service.store.runs.leases import Lease
from service.store.states import TRANSITIONS, Reason
from service.store.tables import (
    Artifact,
    Event,
    IdempotentRequest,
    Job,
    Owner,
    Result,
    Run,
    RunNeed,
    Webhook,
)
from tests.service.store.conftest import SESSION, Claim, Submit

BLOB = Blob.of(b"masks")
FILES = Success(None, [Kept("masks.npz", BLOB, "x")])
DAY = timedelta(days=1)

Act = Callable[[Session, Lease, Settings], object]


def cancel(session: Session, lease: Lease, settings: Settings) -> Job:
    return commands.cancel(session, jobs.get(session, lease.job_id))


def stop(session: Session, lease: Lease, settings: Settings) -> Job:
    job = cancel(session, lease, settings)
    finishing.cancelled(session, lease, settings)
    return job


def spend(session: Session, lease: Lease, settings: Settings) -> None:
    session.execute(update(Job).where(Job.id == lease.job_id).values(max_seconds=0))
    finishing.give_back(session, lease, settings, "its worker drains")


ACTS: dict[str, Act] = {
    "renew": lambda s, lease, _: leases.renew(s, lease, DAY, {"level": 1}),
    "tell": lambda s, lease, _: leases.tell(s, lease, DAY, {}, [New(EventKind.PROGRESS)]),
    "save a checkpoint": lambda s, lease, _: leases.save_checkpoint(s, lease, BLOB.digest),
    "succeed": lambda s, lease, settings: finishing.succeed(s, lease, FILES, settings),
    "fail": lambda s, lease, settings: finishing.fail(
        s, lease, Failure(Reason.INTERNAL, ""), settings
    ),
    "give back": lambda s, lease, settings: finishing.give_back(s, lease, settings, ""),
    "lose": lambda s, lease, settings: finishing.lose(s, lease, settings, ""),
    "lose for the last time": lambda s, lease, settings: finishing.lose(
        s, lease, settings.model_copy(update={"max_losses": 1}), ""
    ),
    "spend the last of its time": spend,
    "cancel": cancel,
    "retry": lambda s, *of: commands.retry(s, stop(s, *of), afresh=True),
    "delete": lambda s, *of: commands.delete(s, stop(s, *of)),
    "call again": lambda s, lease, _: webhooks.reset(s, lease.job_id),
    "note a call": lambda s, lease, _: webhooks.delivered(s, lease.job_id),
    "note a call that failed": lambda s, lease, _: webhooks.failed(
        s, Call(lease.job_id, "ada", "", 0, {}), "500"
    ),
    "bound": lambda s, *_: owners.set_quota(s, "ann", Quota(2.0, 1, 1, 1)),
}


def all_of(session: Session, owner: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of an owner in the tables of jobs."""
    job_ids = select(Job.id).where(Job.owner == owner)
    run_ids = select(Run.id).where(Run.owner == owner)
    conditions = {
        Owner: Owner.name == owner,
        Job: Job.owner == owner,
        IdempotentRequest: IdempotentRequest.owner == owner,
        RunNeed: RunNeed.run_id.in_(run_ids),
        **{table: table.job_id.in_(job_ids) for table in (Run, Event, Result, Artifact, Webhook)},
    }
    return {
        table.__tablename__: [
            dict(row) for row in session.execute(select(table.__table__).where(mine)).mappings()
        ]
        for table, mine in conditions.items()
    }


@pytest.mark.parametrize("act", ACTS)
def test_a_command_does_not_change_the_job_of_another_owner(
    act: str, submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    """Each job has a succeeded, a running, a queued and a blocked run."""
    held = []
    for owner in ("ann", "bob"):
        options = {
            "webhook": "https://a.org",
            "idempotency": Idempotency("k", ""),
            "max_seconds": 99,
        }
        job_id = submit(SESSION, owner, **options)
        for run in ("trunk", "a"):
            claimed = claim()
            assert claimed is not None
            assert (claimed.lease.job_id, claimed.lease.key) == (job_id, f"trial-1/{run}")
            with database.transaction() as session:
                enter(session, [BLOB])
                if run == "trunk":
                    finishing.succeed(session, claimed.lease, FILES, settings)
                else:
                    held.append(claimed.lease)
    with database.transaction() as session:
        before = {owner: all_of(session, owner) for owner in ("ann", "bob")}

    with database.transaction() as session:
        ACTS[act](session, held[0], settings)

    with database.transaction() as session:
        after = {owner: all_of(session, owner) for owner in ("ann", "bob")}
    assert after["ann"] != before["ann"]
    assert after["bob"] == before["bob"]
    states_before = {run["id"]: run["state"] for run in before["ann"]["runs"]}
    for run in after["ann"]["runs"]:
        old, new = states_before[run["id"]], run["state"]
        assert new is old or new in TRANSITIONS[old], run["key"]
