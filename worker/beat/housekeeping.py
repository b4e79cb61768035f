"""Deletes old and unused data, in the process of the sweeper."""

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session

from service.settings import Settings
from service.store.blobs import deletion, identity
from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.jobs import retention
from service.store.workers import measurements, pools

_BATCH = 100
_PARTIAL = timedelta(days=1)
"""Incomplete files older than this, in seconds, belong to a process that has ended."""
_FORGET_POOLS = timedelta(days=90)

log = logging.getLogger(__name__)


def tidy(settings: Settings, database: Database, blobs: Blobs) -> None:
    """Delete old jobs, old idempotency keys, unused trunks, and then unused blobs.

    Tallies of runs are summed up. Pools that no worker has served for a long time are forgotten.
    """
    if settings.retention_days is not None:
        age = timedelta(days=settings.retention_days)
        _repeat(
            database,
            "jobs",
            lambda session: retention.expire_jobs(session, age, settings.keep_label, _BATCH),
        )
    with database.transaction() as session:
        retention.expire_idempotency(session, timedelta(hours=settings.idempotency_hours))
        measurements.sum_up(session)
    with database.transaction() as session:
        pools.forget(session, _FORGET_POOLS)
    unused = timedelta(days=settings.trunk_days)
    _repeat(database, "trunks", lambda session: deletion.forget_trunks(session, unused, _BATCH))
    identity.compare(database, blobs)
    _log_deleted("incomplete files", blobs.remove_partial(_PARTIAL))
    grace = timedelta(seconds=settings.blob_grace_seconds)
    _log_deleted("blobs", deletion.collect(database, blobs, grace))


def _repeat(database: Database, what: str, delete: Callable[[Session], int]) -> None:
    """Delete in batches, each in its own transaction, until nothing is left to delete."""
    total = 0
    while True:
        with database.transaction() as session:
            deleted = delete(session)
        total += deleted
        if deleted < _BATCH:
            break
    _log_deleted(what, total)


def _log_deleted(what: str, deleted: int) -> None:
    if deleted:
        log.info("deleted %d %s", deleted, what)
