"""The sweeper: returns runs of lost workers to the queue, and sends lost hints.

It runs in the beat process, so that it does not wait behind busy workers or an unavailable broker.
Several sweepers may run at once, because each write is guarded.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache

from service.hints import Hints
from service.liveness import Pulse
from service.settings import Settings
from service.store.blobs.object_store import Blobs
from service.store.database import HOUSEKEEPING, SWEEPER, UNAVAILABLE, Database, timed_out
from service.store.errors import LeaseLost
from service.store.runs import finishing
from service.store.runs.leases import Lease
from service.store.states import RunState
from service.store.workers import pools, workers
from worker.beat.housekeeping import tidy
from worker.beat.webhooks import WebhookCaller

_FORGET_WORKERS = timedelta(hours=1)

log = logging.getLogger(__name__)


class Sweeper:
    """The connections of a sweep."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.database_url, 10, SWEEPER)
        self._housekeeping = Database(settings.database_url, 1, HOUSEKEEPING)
        self._hints = Hints(settings.broker_url)
        self._blobs = Blobs(settings.object_store_url, settings.object_store_options)
        self._webhooks = WebhookCaller(settings, self._database)
        self._tidying = threading.Thread()
        self._pulse = Pulse("beat", settings.health_dir)
        self._waking = threading.Thread()

    def sweep(self) -> None:
        """One sweep: lost runs, lost workers, lost hints."""
        with self._database.transaction() as session:
            expired = finishing.expired(session)
        why = "its worker sent no heartbeat"
        release(self._database, self._settings, expired, why, skip_locked=True)
        with self._database.transaction() as session:
            silence = self._settings.lease
            for worker in workers.mark_lost(session, silence, _FORGET_WORKERS):
                log.warning("the worker %s is lost: it sent no heartbeat", worker)
        self._wake_workers()
        self._pulse.beat()

    def _wake_workers(self) -> None:
        """Send hints from a thread: a slow broker must not delay the recovery of runs."""
        if self._waking.is_alive():
            return
        with self._database.transaction() as session:
            wanted = pools.to_wake(session)
        if wanted:
            self._waking = threading.Thread(
                target=self._send_hints, args=(wanted,), name="hints", daemon=True
            )
            self._waking.start()

    def _send_hints(self, wanted: Mapping[str, int]) -> None:
        for pool, count in wanted.items():
            self._hints.wake(pool, count)

    def call_webhooks(self) -> None:
        """Call due webhooks, in threads."""
        self._webhooks.round()

    def tidy(self) -> None:
        """Delete old and unused data, in a thread, because it may take long."""
        if not self._tidying.is_alive():
            self._tidying = threading.Thread(target=self._tidy, name="housekeeping", daemon=True)
            self._tidying.start()

    def _tidy(self) -> None:
        try:
            tidy(self._settings, self._housekeeping, self._blobs)
        except Exception:
            log.exception("old and unused data could not be deleted; the next round tries again")


def release(
    database: Database,
    settings: Settings,
    leases: Sequence[Lease],
    why: str,
    *,
    skip_locked: bool = False,
    out_of_memory: bool = False,
) -> int:
    """Return runs of lost workers to the queue.

    Args:
        database: the database.
        settings: contain how often a run may lose its worker.
        leases: leases of the runs.
        why: why the workers are known to be lost.
        skip_locked: whether to leave a run for the next sweep if its row, its job or its owner is
            locked. A paused process may hold such locks until Postgres ends its session.
        out_of_memory: whether the kernel killed the workers because memory ran out.

    Returns:
        The number of runs that returned to the queue.
    """
    requeued = 0
    for lease in leases:
        try:
            with database.transaction() as session:
                state = finishing.lose(
                    session,
                    lease,
                    settings,
                    why,
                    skip_locked=skip_locked,
                    out_of_memory=out_of_memory,
                )
        except LeaseLost:
            continue
        except UNAVAILABLE as error:
            if not (skip_locked and timed_out(error)):
                raise
            log.warning("%s of %s is locked; the next sweep tries again", lease.key, lease.job_id)
            continue
        log.warning("%s of %s is %s again: %s", lease.key, lease.job_id, state, why)
        requeued += state is RunState.QUEUED
    return requeued


@lru_cache(maxsize=1)
def sweeper() -> Sweeper:
    """The sweeper of this process."""
    return Sweeper(Settings())
