"""A child ends when it has nothing to do and only its end helps; another takes its place.

It gives its GPU's memory back after long idleness, tries a GPU anew that failed, and does not wait
for a parent that was told to stop at once.
"""

import logging
import os
import threading
import time

from service.store.tables import WorkerState
from worker.child import Child, report_state

_TO_SAY_SO = 0.2
"""In which Celery tells its parent that the last hint was dealt with."""

log = logging.getLogger(__name__)


def watch_idleness(child: Child) -> None:
    """Start the thread that says that this child lives, and ends it after long idleness."""
    threading.Thread(target=_watch, args=(child,), name="idleness", daemon=True).start()


def _watch(child: Child) -> None:
    while True:
        worn = child.worn.wait(child.settings.heartbeat_seconds)
        if not child.busy.acquire(blocking=worn):
            continue
        try:
            _look(child)
        except Exception:
            log.exception("this idle process could not say that it lives; it tries again")
        finally:
            child.busy.release()


def _look(child: Child) -> None:
    if child.worn.is_set() or child.draining.is_set() or recycle_due(child, time.monotonic()):
        log.info("this process ends, and another one takes its place")
        time.sleep(_TO_SAY_SO)
        os._exit(0)
    refused = child.refusal()
    report_state(child, WorkerState.REFUSING if refused else WorkerState.IDLE, refused)


def recycle_due(child: Child, now: float) -> bool:
    """Whether this child holds a GPU's memory that it has not used for long, or cannot use it."""
    holds = child.gpu is not None and (child.used_device or child.trouble is not None)
    return holds and now - child.idle_since > child.settings.idle_recycle_seconds
