"""The Celery tasks, and the start of a child."""

import logging
import os
from typing import Any

from celery.signals import (
    celeryd_init,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
)

from service import logs
from service.hints import HOUSEKEEPING, SWEEP, WEBHOOKS, WORK
from service.settings import Settings
from worker.child import node
from worker.child.child import Child, start_child
from worker.child.devices import discover, one_thread, tell_children
from worker.process.app import app
from worker.process.idle import watch_idleness
from worker.process.loop import work as execute_queued_runs
from worker.process.memory import resident
from worker.run.inputs import warm

log = logging.getLogger(__name__)

_REQUEUE_SECONDS = 10.0
"""Seconds for a stopped run to return to the queue."""

_children: list[Child] = []
"""The child of this process; empty in the parent."""


@app.task(name=WORK)
def work() -> None:
    """Claim and execute runs, if there are any."""
    execute_queued_runs(_children[0])


@app.task(name=SWEEP)
def sweep() -> None:
    """Find lost runs and send lost hints."""
    from worker.beat.sweeper import sweeper

    sweeper().sweep()


@app.task(name=WEBHOOKS)
def call_webhooks() -> None:
    """Call due webhooks."""
    from worker.beat.sweeper import sweeper

    sweeper().call_webhooks()


@app.task(name=HOUSEKEEPING)
def run_housekeeping() -> None:
    """Delete old and unused data."""
    from worker.beat.sweeper import sweeper

    sweeper().tidy()


@celeryd_init.connect
def _prepare_the_parent(**_: Any) -> None:
    """Prepare what children inherit: a name, the GPUs, and one thread each without a GPU."""
    node.name_node()
    gpus = discover()
    tell_children(gpus)
    if not gpus:
        one_thread()


@worker_process_init.connect
def _start(**_: Any) -> None:
    """Start a child before its first task; if that fails, the child ends and is replaced."""
    settings = Settings()
    try:
        child = start_child(settings, tuple(app.conf["lth_pools"]))
    except Exception:
        # Celery would keep a child that receives hints but cannot execute runs.
        log.exception("this process cannot start, and ends")
        os._exit(1)
    _children[:] = [child]
    watch_idleness(child)
    warm(settings.datasets_dir, child.blobs)
    child.resident_at_start = resident()
    for pool in child.pools:
        child.hints.wake(pool)


@worker_process_shutdown.connect
def _finish(**_: Any) -> None:
    """Wait for a run that this child started without a hint; Celery does not know of it."""
    for child in _children:
        child.draining.set()
        child.busy.acquire(timeout=child.settings.drain_seconds + _REQUEUE_SECONDS)


@setup_logging.connect
def _configure_logging(loglevel: int | str | None = None, **_: Any) -> None:
    """Configure logging to standard error, in the parent and in the children."""
    production = Settings().environment == "production"
    logs.configure(json=production, level=loglevel or logging.INFO)
