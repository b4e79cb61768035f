"""A child that was idle for long gives its GPU's memory back, which only its end can do."""

import logging
import os
import threading
import time

from service.store.tables import WorkerState
from worker.child import Child, report_state

log = logging.getLogger(__name__)


def watch_idleness(child: Child) -> None:
    """Start the thread that says that this child lives, and ends it after long idleness."""
    threading.Thread(target=_watch, args=(child,), name="idleness", daemon=True).start()


def _watch(child: Child) -> None:
    while True:
        time.sleep(child.settings.heartbeat_seconds)
        if not child.busy.acquire(blocking=False):
            continue
        try:
            if recycle_due(child, time.monotonic()):
                log.info(
                    "idle for %g s: ending, to free the GPU", child.settings.idle_recycle_seconds
                )
                os._exit(0)
            refused = child.refusal()
            state = WorkerState.REFUSING if refused else WorkerState.IDLE
            report_state(child, state, refused)
        finally:
            child.busy.release()


def recycle_due(child: Child, now: float) -> bool:
    """Whether this child holds a GPU's memory that it has not used for long."""
    holds = child.gpu is not None and child.used_device
    return holds and now - child.idle_since > child.settings.idle_recycle_seconds
