"""The parent process: notices when a child dies, and drains its children when it stops."""

import atexit
import logging
import os
import signal
import threading
from typing import Any

from celery import bootsteps
from celery.signals import worker_shutting_down

from service.hints import Hints
from service.liveness import Pulse
from service.settings import Settings
from service.store.database import SWEEPER, UNAVAILABLE, Database
from service.store.runs import finishing
from service.store.workers import workers
from worker.beat.sweeper import release
from worker.child import node
from worker.child.child import DRAIN_SIGNAL
from worker.process.memory_kills import MemoryKills

_LOOK_SECONDS = 0.1
_RETRY_SECONDS = 2.0
_KILLED = "the kernel killed its process because memory ran out"

log = logging.getLogger(__name__)


class ChildWatcher(bootsteps.StartStopStep):
    """Returns the runs of a dead child to the queue at once, before their leases expire."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        settings = Settings()
        self._settings = settings
        self._database = Database(settings.database_url, 1, SWEEPER)
        self._hints = Hints(settings.broker_url)
        self._pools: list[str] = worker.app.conf["lth_pools"]
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, parent: Any) -> None:
        """Watch the children, in a thread."""
        self._thread = threading.Thread(
            target=self._watch, args=(parent.pool,), name="child-watcher", daemon=True
        )
        self._thread.start()
        worker_shutting_down.connect(lambda **_: self._drain(parent.pool), weak=False)
        atexit.register(self._finish)

    def _finish(self) -> None:
        """Handle children that ended during the shutdown: Celery joins them after this step."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        self._database.close()
        self._hints.close()

    def _watch(self, pool: Any) -> None:
        known: dict[int, Any] = {}
        dead: set[int] = set()
        killed: set[int] = set()
        kills = MemoryKills()
        pulse = Pulse("worker", self._settings.health_dir)
        while True:
            last = self._ended.wait(_RETRY_SECONDS if dead or killed else _LOOK_SECONDS)
            kills.look()
            alive = {} if last else _children(pool)
            if alive:
                pulse.beat()
            for pid in known.keys() - alive.keys():
                by_kernel = known[pid].exitcode == -signal.SIGKILL and kills.take()
                (killed if by_kernel else dead).add(pid)
            known = alive
            if killed and self._release_runs_of(killed, _KILLED, out_of_memory=True):
                killed = set()
            if dead and self._release_runs_of(dead, "its process died"):
                dead = set()
            if last:
                return

    def _release_runs_of(self, pids: set[int], why: str, *, out_of_memory: bool = False) -> bool:
        ids = [node.worker_id(pid) for pid in pids]
        try:
            with self._database.transaction() as session:
                leases = finishing.held_by(session, ids)
            requeued = release(
                self._database, self._settings, leases, why, out_of_memory=out_of_memory
            )
            # The end of a run reads the memory of its worker, so the worker leaves after it.
            with self._database.transaction() as session:
                workers.leave(session, ids)
            if requeued:
                for pool in self._pools:
                    self._hints.wake(pool)
        except UNAVAILABLE as error:
            log.warning("the runs of a dead child could not be queued again yet: %s", error)
            return False
        except Exception:
            log.exception("the runs of a dead child could not be queued again yet")
            return False
        return True

    def _drain(self, pool: Any) -> None:
        """Signal the children to drain. It runs in a signal handler, so it does nothing else."""
        for pid in _children(pool):
            try:
                os.kill(pid, DRAIN_SIGNAL)
            except ProcessLookupError:
                continue


def _children(pool: Any) -> dict[int, Any]:
    """The living children by their ids; Celery removes dead ones as soon as it notices."""
    processes = pool._pool._pool if pool is not None and pool._pool is not None else ()
    return {process.pid: process for process in processes if process.pid is not None}
