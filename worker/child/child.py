"""A child process: its state and its connections, prepared for the first run."""

import importlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import cast
from uuid import UUID

import psutil
from billiard.process import current_process
from sqlalchemy.orm import Session

from lth.datasets import present
from service.hints import Hints
from service.settings import Settings
from service.store.blobs import identity
from service.store.blobs.identity import WrongStore
from service.store.blobs.object_store import Blobs, StorageFailed
from service.store.database import UNAVAILABLE, WORKER, Database
from service.store.tables import WorkerState
from service.store.workers import workers
from service.store.workers.workers import WorkerFacts
from worker.child import devices, kernel_memory, node
from worker.child.execution import Execution
from worker.child.gpus import DriverFailed, Gpu, Nvml
from worker.child.redaction import Redaction

DRAIN_SIGNAL = signal.SIGUSR2
"""The signal that a parent sends to its children to drain them."""

_UNUSED = ("matplotlib.pyplot", "sklearn")

log = logging.getLogger(__name__)


@dataclass
class Child:
    """A process that executes one run at a time.

    Attributes:
        draining: set when the parent is stopping.
        busy: held while a hint is processed; an idle child must acquire it before it ends itself.
        idle_since: on the monotonic clock.
        ran_at: end of its last run, on the monotonic clock; None after its memory was released.
        resident_at_start: bytes of memory before its first run.
        memory: bytes that a run may use; None for any number.
        used_device: whether a run has used the memory of the device.
        trouble: why its GPU cannot be used, until a new process tries it again.
        redaction: hides the service's addresses and secrets in texts for clients.
        knows_store: whether the object store was compared with that of the service.
        must_be_replaced: set if a new process must replace this one as soon as it is idle.
    """

    settings: Settings
    pools: tuple[str, ...]
    gpu: Gpu | None
    nvml: Nvml | None
    database: Database
    blobs: Blobs
    hints: Hints
    execution: Execution
    id: str
    memory: int | None = None
    draining: threading.Event = field(default_factory=threading.Event)
    busy: threading.Lock = field(default_factory=threading.Lock)
    idle_since: float = field(default_factory=time.monotonic)
    ran_at: float | None = None
    resident_at_start: int = 0
    used_device: bool = False
    trouble: str | None = None
    knows_store: bool = False
    must_be_replaced: threading.Event = field(default_factory=threading.Event)
    redaction: Redaction = field(init=False)

    def __post_init__(self) -> None:
        self.redaction = Redaction(self.settings)

    def refusal(self) -> str | None:
        """Why this child must not start a run now; None if it may."""
        if not self.knows_store and (refused := self._store_refusal()):
            return refused
        if self.trouble or self.gpu is None or self.nvml is None:
            return self.trouble
        try:
            memory = self.nvml.memory(self.gpu.uuid)
        except DriverFailed as error:
            return f"the memory of {self.gpu.name} cannot be read: {error}"
        share = self.settings.gpu_foreign_share
        return devices.refusal(self.gpu, memory, os.getpid(), share, holds=self.used_device)

    def _store_refusal(self) -> str | None:
        """Compare the object store with that of the service, until it succeeds once."""
        try:
            self.knows_store = identity.compare(self.database, self.blobs)
        except WrongStore as error:
            log.error("%s", error)
            return self.redaction.text(str(error))  # every client may read it
        except (StorageFailed, *UNAVAILABLE) as error:
            log.warning("the object store could not be compared with the service's: %s", error)
        return None

    def try_gpu(self) -> str | None:
        """Try a small computation on the GPU, if any; returns why it failed, or None."""
        if self.gpu is not None and self.trouble is None:
            self.trouble = self.execution.gpu_trouble(compute=True)
        return self.trouble

    def memory_used(self) -> int | None:
        """Bytes in use: of the GPU if its driver reports them, otherwise of this process."""
        if self.gpu is None or self.nvml is None:
            return psutil.Process().memory_info().rss
        with suppress(DriverFailed):
            return self.nvml.memory(self.gpu.uuid).used
        return None


def start_child(settings: Settings, pools: tuple[str, ...]) -> Child:
    """Prepare this process: select its device, import the engine, register the worker."""
    kernel_memory.be_killed_first()
    gpus = devices.discover()
    gpu = devices.gpu_of(_slot(), gpus)
    nvml, trouble = _nvml() if gpu else (None, None)
    devices.pin(gpu)
    execution = cast(Execution, _import_execution(settings))
    devices.configure_tensorflow(gpu)
    if gpu and not trouble:
        trouble = execution.gpu_trouble(compute=False)
    if trouble:
        log.error("this worker takes no runs: %s", trouble)
    child = Child(
        settings=settings,
        pools=pools,
        gpu=gpu,
        nvml=nvml,
        database=Database(settings.database_url, 2, WORKER),
        blobs=Blobs(settings.object_store_url, settings.object_store_options),
        hints=Hints(settings.broker_url),
        execution=execution,
        id=node.worker_id(os.getpid()),
        memory=devices.memory_of_a_run(
            settings.worker_processes,
            gpus,
            _slot(),
            settings.machine_memory or kernel_memory.available(),
        ),
        trouble=trouble,
    )

    signal.signal(DRAIN_SIGNAL, lambda *_: child.draining.set())
    # A signal may go to the whole process group; the parent tells its children when to stop.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    report_state(child, WorkerState.IDLE)
    return child


def report_state(child: Child, state: WorkerState, why: str | None = None) -> None:
    """Report the state to the registry; an unavailable database is logged and ignored."""
    try:
        with child.database.transaction() as session:
            report(session, child, state, why=why)
    except UNAVAILABLE as error:
        log.warning("the state of this worker could not be written: %s", error)


def report(
    session: Session,
    child: Child,
    state: WorkerState,
    *,
    run_id: UUID | None = None,
    why: str | None = None,
) -> None:
    """Report the state within a transaction; register the worker if it is not registered."""
    datasets = present(child.settings.datasets_dir)
    said = partial(
        workers.report, session, child.id, state, run_id, child.memory_used(), why, datasets
    )
    if not said():
        workers.register(session, _facts(child))
        said()


def _facts(child: Child) -> WorkerFacts:
    return WorkerFacts(
        id=child.id,
        node=node.node(),
        host=socket.gethostname(),
        pid=os.getpid(),
        pools=child.pools,
        device=child.gpu.name if child.gpu else "cpu",
        memory_total=child.memory,
    )


def _nvml() -> tuple[Nvml | None, str | None]:
    try:
        return devices.system_nvml(), None
    except DriverFailed as error:
        return None, str(error)


def _slot() -> int:
    """The index of this process among the children of its parent."""
    return int(getattr(current_process(), "index", 0) or 0)


def _import_execution(settings: Settings) -> ModuleType:
    """Import the module that executes runs.

    Keras imports scikit-learn and pyplot if they are installed. No run needs them, and they would
    take a third of the time.
    """
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules |= dict.fromkeys(hidden)  # pyright: ignore[reportArgumentType]
    try:
        return importlib.import_module(settings.execution)
    finally:
        for name in hidden:
            del sys.modules[name]
