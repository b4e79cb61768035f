"""The tasks that Celery knows, and what happens when a child starts."""

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
from worker.process.loop import work as execute_what_waits
from worker.process.memory import resident
from worker.run.inputs import warm

log = logging.getLogger(__name__)

_TO_GIVE_BACK = 10.0
"""Seconds in which a run is given back after it stopped."""

_children: list[Child] = []
"""In a child process, itself; in the parent, nothing."""


@app.task(name=WORK)
def work() -> None:
    """There may be work: claim it and execute it."""
    execute_what_waits(_children[0])


@app.task(name=SWEEP)
def sweep() -> None:
    """Look for lost runs and lost hints."""
    from worker.beat.sweeper import sweeper

    sweeper().sweep()


@app.task(name=WEBHOOKS)
def call_webhooks() -> None:
    """Tell whoever wants to know that jobs have ended."""
    from worker.beat.sweeper import sweeper

    sweeper().call_webhooks()


@app.task(name=HOUSEKEEPING)
def run_housekeeping() -> None:
    """Delete what is old or unused."""
    from worker.beat.sweeper import sweeper

    sweeper().tidy()


@celeryd_init.connect
def _prepare_the_parent(**_: Any) -> None:
    """What its children inherit: a name, the GPUs, and one thread each where there is none."""
    node.name_node()
    gpus = discover()
    tell_children(gpus)
    if not gpus:
        one_thread()


@worker_process_init.connect
def _start(**_: Any) -> None:
    """Runs in a child before its first task; a child that cannot start ends, and is replaced."""
    settings = Settings()
    try:
        child = start_child(settings, tuple(app.conf["lth_pools"]))
    except Exception:
        # Celery would go on with a child that takes hints and can do nothing with them.
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
    """Let a run reach a checkpoint that this child took up without a hint: Celery ignores it."""
    for child in _children:
        child.draining.set()
        child.busy.acquire(timeout=child.settings.drain_seconds + _TO_GIVE_BACK)


@setup_logging.connect
def _configure_logging(loglevel: int | str | None = None, **_: Any) -> None:
    """One line an event on standard error, in the parent and in the children."""
    production = Settings().environment == "production"
    logs.configure(json=production, level=loglevel or logging.INFO)
