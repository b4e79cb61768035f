"""The idle time of a child: it reports its state, asks for work, and ends when necessary.

A child ends, and a new one replaces it, to free the memory of its GPU after a long idle time, to
try a failed GPU again, and when its parent stops. It asks Postgres for work, because the broker may
be unavailable or may hang. Soon after its last run it frees memory. If it still holds much more
than at its start, it ends.
"""

import logging
import os
import random
import threading
import time

from service.store.runs import claims
from service.store.tables import WorkerState
from worker.child.child import Child, report_state
from worker.process import memory
from worker.process.loop import work

_REPORT_SECONDS = 0.2
"""Seconds for Celery to report the end of the last task to its parent."""

_RELEASE_SECONDS = 5.0
"""Seconds after its last run; runs that follow sooner find their data loaded."""

log = logging.getLogger(__name__)


def watch_idleness(child: Child) -> None:
    """Start the thread that watches this child while it is idle."""
    threading.Thread(target=_watch, args=(child,), name="idleness", daemon=True).start()


def _watch(child: Child) -> None:
    poll_at = _next_poll(child)
    while True:
        must_be_replaced = child.must_be_replaced.wait(
            min(child.settings.heartbeat_seconds, child.settings.poll_seconds)
        )
        if time.monotonic() >= poll_at:
            _poll(child)
            poll_at = _next_poll(child)
        if not child.busy.acquire(blocking=must_be_replaced):
            continue
        try:
            _check(child)
        except Exception:
            log.exception("this idle process could not report its state; it tries again")
        finally:
            child.busy.release()


def _poll(child: Child) -> None:
    """Execute queued runs in this thread. A hint that arrives meanwhile waits for their end."""
    if child.busy.locked():
        return
    try:
        with child.database.transaction() as session:
            waiting = any(claims.waiting(session, pool) for pool in child.pools)
        if waiting:
            work(child)
    except Exception:
        log.exception("this idle process could not ask for work; it asks again later")


def _next_poll(child: Child) -> float:
    """When to ask Postgres next; at random, so that workers do not ask at the same time."""
    return time.monotonic() + child.settings.poll_seconds * random.uniform(0.75, 1.25)  # noqa: S311


def _check(child: Child) -> None:
    now = time.monotonic()
    if child.ran_at is not None and now - child.ran_at > _RELEASE_SECONDS:
        memory.release(child)
        child.ran_at = None
        if memory.grown_too_large(child):
            log.info("this idle process uses too much memory")
            child.must_be_replaced.set()
    if child.must_be_replaced.is_set() or child.draining.is_set() or must_recycle(child, now):
        log.info("this process ends; a new process replaces it")
        time.sleep(_REPORT_SECONDS)
        os._exit(0)
    refused = child.refusal()
    report_state(child, WorkerState.REFUSING if refused else WorkerState.IDLE, refused)


def must_recycle(child: Child, now: float) -> bool:
    """Whether this child should end to free the memory of its GPU, or to try it again."""
    holds = child.gpu is not None and (child.used_device or child.trouble is not None)
    return holds and now - child.idle_since > child.settings.idle_recycle_seconds
