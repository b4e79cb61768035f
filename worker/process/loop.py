"""Processes a hint: claims and executes runs until there are none."""

import logging
import time

from service.store.database import UNAVAILABLE
from service.store.runs import claims
from service.store.runs.claims import Claimed
from service.store.tables import WorkerState
from service.store.workers import workers
from worker.child.child import Child, report, report_state
from worker.run.attempt import attempt

_MOST_PROGRAMS = 40
"""A process is replaced after it compiled so many networks, because TensorFlow keeps them."""

log = logging.getLogger(__name__)


def work(child: Child) -> int:
    """Execute runs until none is left for this child; returns their number.

    After it has reported that it is idle, it looks once more, because a run that was queued just
    before may have found no idle worker.
    """
    done = 0
    with child.busy:
        while not (child.draining.is_set() or child.must_be_replaced.is_set()):
            if refused := child.refusal():
                report_state(child, WorkerState.REFUSING, refused)
                break
            claimed = _claim(child)
            if claimed is None and done:
                report_state(child, WorkerState.IDLE)
                claimed = _claim(child)
            if claimed is None:
                break
            done += 1
            released = attempt(child, claimed)
            child.ran_at = time.monotonic()
            log.info("done with '%s' of %s", claimed.lease.key, claimed.lease.job_id)
            if child.execution.programs_made() >= _MOST_PROGRAMS:
                child.must_be_replaced.set()
            for pool in released:
                child.hints.wake(pool)
    child.idle_since = time.monotonic()
    return done


def _claim(child: Child) -> Claimed | None:
    """Claim a run; if more are queued and another worker is idle, send a hint."""
    try:
        with child.database.transaction() as session:
            claimed = claims.claim(session, child.id, child.pools, child.settings, child.memory)
            if claimed is None:
                return None
            report(session, child, WorkerState.BUSY, run_id=claimed.lease.run_id)
            wake = claims.waiting(session, claimed.pool) and workers.idle(session, claimed.pool)
    except UNAVAILABLE as error:
        log.warning("nothing can be claimed while the database is unavailable: %s", error)
        return None
    log.info("attempt %d at '%s' of %s",
             claimed.lease.attempt, claimed.lease.key, claimed.lease.job_id)  # fmt: skip
    if wake:
        child.hints.wake(claimed.pool)
    return claimed
