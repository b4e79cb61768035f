"""The thread that keeps a run's lease alive, and ends a run that no longer listens."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from service.store import finishing, leases, workers
from service.store.errors import LeaseLost
from service.store.finishing import Failure
from service.store.states import Reason
from service.store.tables import WorkerState
from worker.child import Child
from worker.observing import Order, RunObserver

log = logging.getLogger(__name__)


@contextmanager
def heartbeat(child: Child, observer: RunObserver) -> Iterator[None]:
    """Renew the observer's lease while the block runs."""
    ended = threading.Event()
    thread = threading.Thread(
        target=_beat, args=(child, observer, ended), name="heartbeat", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(child: Child, observer: RunObserver, ended: threading.Event) -> None:
    ordered: float | None = None
    while not ended.wait(child.settings.heartbeat_seconds):
        now = time.monotonic()
        if observer.order is not Order.LEASE_LOST:
            _renew(child, observer)
        observer.look_at_the_clock()
        if observer.order is not None:
            ordered = ordered or now
            if now - ordered > child.settings.deaf_seconds:
                _end_the_deaf(child, observer)


def _renew(child: Child, observer: RunObserver) -> None:
    lease = observer.lease
    try:
        with child.database.transaction() as session:
            if leases.renew(session, lease, child.settings.lease):
                observer.give(Order.CANCEL)
            state = WorkerState.DRAINING if child.draining.is_set() else WorkerState.BUSY
            used = child.memory_used()
            workers.report(session, child.id, state, run_id=lease.run_id, memory_used=used)
    except LeaseLost:
        observer.give(Order.LEASE_LOST)
    except OperationalError as error:
        log.warning("the lease on %s could not be renewed: %s", lease.key, error)


def _end_the_deaf(child: Child, observer: RunObserver) -> None:
    """Write how the run ended, if it is still ours, and kill this process: nothing else helps."""
    settings, lease = child.settings, observer.lease
    log.error("%s does not stop (%s); ending its process", lease.key, observer.order)
    try:
        with child.database.transaction() as session:
            if observer.order is Order.CANCEL:
                finishing.cancelled(session, lease, settings)
            elif observer.order is Order.TIMEOUT:
                finishing.fail(session, lease, Failure(Reason.TIMEOUT, TOO_LONG), settings)
    except (LeaseLost, OperationalError) as error:
        log.warning("its end could not be written: %s", error)
    os.kill(os.getpid(), signal.SIGKILL)


TOO_LONG = (
    "it ran longer than its bound; submit it with a greater max_seconds, or shorten its training"
)
