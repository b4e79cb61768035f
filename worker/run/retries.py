"""Retries while the database or the object store is unavailable."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import IntegrityError

from service.store.blobs.object_store import StorageFailed
from service.store.database import UNAVAILABLE
from worker.child.child import Child
from worker.run.observer import Order, RunObserver

_LONGEST_PAUSE = 5.0

log = logging.getLogger(__name__)
T = TypeVar("T")


def with_retries(child: Child, observer: RunObserver, do: Callable[[], T]) -> T:
    """Read the inputs of a run, or commit its end, with retries for a limited time.

    A blob that was deleted between its upload and the commit violates a foreign key. This is
    retried too, from the upload on.

    Raises:
        LeaseLost: if the run belongs to another attempt.
    """
    until = time.monotonic() + child.settings.commit_retry_seconds
    pause = 0.1
    while True:
        observer.seen = time.monotonic()
        try:
            return do()
        except (*UNAVAILABLE, StorageFailed, IntegrityError) as error:
            if observer.order is Order.LEASE_LOST:
                raise observer.lease.lost from error
            if time.monotonic() + pause > until:
                raise
            log.warning("'%s' is retried in %.1f s: %s", observer.lease.key, pause, error)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
