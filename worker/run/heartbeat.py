"""The thread that renews the lease of a run, and kills an unresponsive run."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from service.store.database import UNAVAILABLE
from service.store.errors import LeaseLost
from service.store.jobs import budgets
from service.store.runs import finishing, leases
from service.store.runs.finishing import Failure
from service.store.states import Reason
from service.store.tables import WorkerState
from worker.child.child import Child, report
from worker.run.observer import Order, RunObserver

TOO_LONG: dict[Order | None, str] = {
    Order.TIMEOUT: "the run exceeded its time limit; submit it with a greater max_run_seconds, or "
    "shorten its training",
    Order.JOB_TIMEOUT: budgets.SPENT,
}
"""The message for a run that was stopped because of its time limit."""
_SOONEST = 0.02

log = logging.getLogger(__name__)


@contextmanager
def heartbeat(
    child: Child, observer: RunObserver, job_lasts: float | None = None
) -> Iterator[None]:
    """Renew the lease while the block runs, and stop the run when its time is over.

    Args:
        child: the process that executes the run.
        observer: observer of the run.
        job_lasts: estimated seconds until the budget of the job is spent; None if unlimited.
    """
    ended = threading.Event()
    thread = threading.Thread(
        target=copy_context().run,  # keeps the ids in the log context
        args=(_beat, child, observer, ended, job_lasts),
        name="heartbeat",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(
    child: Child, observer: RunObserver, ended: threading.Event, job_lasts: float | None
) -> None:
    ordered: float | None = None
    every = child.settings.heartbeat_seconds
    pause = every if job_lasts is None else min(every, job_lasts)
    while not ended.wait(pause):
        now = time.monotonic()
        pause = every
        try:
            if observer.order is not Order.LEASE_LOST:
                _renew(child, observer)
            if job_lasts is not None and observer.order is None:
                pause = min(every, _check_budget(child, observer))
        except UNAVAILABLE as error:
            log.warning("the lease on '%s' could not be renewed: %s", observer.lease.key, error)
        except Exception:
            log.exception(
                "a heartbeat of '%s' failed; the next one tries again", observer.lease.key
            )
        observer.check_time_limits()
        if now - observer.seen > child.settings.stall_seconds:
            _kill_stalled(child, observer)
        if observer.order is not None:
            ordered = ordered or now
            if now - ordered > child.settings.unresponsive_seconds:
                _kill_unresponsive(child, observer)


def _renew(child: Child, observer: RunObserver) -> None:
    lease = observer.lease
    try:
        with child.database.transaction() as session:
            if leases.renew(session, lease, child.settings.lease):
                observer.give(Order.CANCEL)
            state = WorkerState.DRAINING if child.draining.is_set() else WorkerState.BUSY
            report(session, child, state, run_id=lease.run_id)
    except LeaseLost:
        observer.give(Order.LEASE_LOST)


def _check_budget(child: Child, observer: RunObserver) -> float:
    """Order the run to stop if the job's budget is spent; returns seconds until the next check."""
    with child.database.transaction() as session:
        budget = budgets.of_job(session, observer.lease.job_id)
    if budget is not None and budget.left <= 0:
        observer.give(Order.JOB_TIMEOUT)
    return child.settings.heartbeat_seconds if budget is None else budget.lasts + _SOONEST


def _kill_stalled(child: Child, observer: RunObserver) -> None:
    """Return the run to the queue for another process, and kill this one."""
    why = f"it made no progress for {child.settings.stall_seconds:g} s"
    try:
        with child.database.transaction() as session:
            finishing.lose(session, observer.lease, child.settings, why)
    except (LeaseLost, *UNAVAILABLE) as error:
        log.warning("the loss of the run could not be written: %s", error)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def _kill_unresponsive(child: Child, observer: RunObserver) -> None:
    """Kill this process. The parent returns the run to the queue, except after a timeout."""
    lease, order = observer.lease, observer.order
    log.error("'%s' does not stop (%s); its process is killed", lease.key, order)
    try:
        if order in TOO_LONG:
            told = Failure(Reason.TIMEOUT, TOO_LONG[order])
            with child.database.transaction() as session:
                finishing.fail(session, lease, told, child.settings)
    except (LeaseLost, *UNAVAILABLE) as error:
        log.warning("the end of the run could not be written: %s", error)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)
