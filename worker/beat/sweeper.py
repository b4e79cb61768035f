"""The sweeper: gives back what lost workers held, and sends hints that were lost.

It runs in the beat process itself, so that it never waits behind busy workers or a broker that is
away. Several may run at once: each of its steps is a guarded write.
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
    """What a sweep needs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.database_url, 10, SWEEPER)
        self._housekeeping = Database(settings.database_url, 1, HOUSEKEEPING)
        self._hints = Hints(settings.broker_url)
        self._blobs = Blobs(settings.object_store_url, settings.object_store_options)
        self._courier = WebhookCaller(settings, self._database)
        self._tidying = threading.Thread()
        self._pulse = Pulse("beat", settings.health_dir)
        self._waking = threading.Thread()

    def sweep(self) -> None:
        """One round: lost runs, lost workers, lost hints."""
        with self._database.transaction() as session:
            expired = finishing.expired(session)
        why = "its worker fell silent"
        release(self._database, self._settings, expired, why, skip_locked=True)
        with self._database.transaction() as session:
            silence = self._settings.lease
            for worker in workers.mark_lost(session, silence, _FORGET_WORKERS):
                log.warning("the worker %s fell silent", worker)
        self._wake_workers()
        self._pulse.beat()

    def _wake_workers(self) -> None:
        """Send hints from a thread: a slow broker must not delay the recovery of lost runs."""
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
        """Start the calls that are due, in threads of their own."""
        self._courier.round()

    def tidy(self) -> None:
        """Start to delete what is old or unused, in a thread: it may take long."""
        if not self._tidying.is_alive():
            self._tidying = threading.Thread(target=self._tidy, name="housekeeping", daemon=True)
            self._tidying.start()

    def _tidy(self) -> None:
        try:
            tidy(self._settings, self._housekeeping, self._blobs)
        except Exception:
            log.exception("what is old or unused could not be deleted; it is tried again later")


def release(
    database: Database,
    settings: Settings,
    leases: Sequence[Lease],
    why: str,
    *,
    skip_locked: bool = False,
) -> int:
    """Take runs from workers that are gone.

    Args:
        database: to write in.
        settings: say how often a run may lose its worker.
        leases: of the runs.
        why: the workers are known to be gone.
        skip_locked: leave a run for the next call if another transaction holds it, its job or its
            owner. A paused process may hold them until Postgres ends its session.

    Returns:
        How many runs went back into the queue.
    """
    requeued = 0
    for lease in leases:
        try:
            with database.transaction() as session:
                state = finishing.lose(session, lease, settings, why, skip_locked=skip_locked)
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
    """This process's sweeper."""
    return Sweeper(Settings())
