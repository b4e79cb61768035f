"""A child of the pool: what it holds from its start to its end, warm for the first run."""

import importlib
import logging
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import cast

import psutil
from billiard.process import current_process

from service.hints import Hints
from service.settings import Settings
from service.store import workers
from service.store.blobs import Blobs
from service.store.database import AWAY, Database
from service.store.tables import WorkerState
from service.store.workers import WorkerFacts
from worker import devices, node
from worker.devices import DeviceSilent, Gpu, Nvml
from worker.execution import Execution

DRAIN_SIGNAL = signal.SIGUSR2
"""What the parent sends its children when it is told to stop."""

log = logging.getLogger(__name__)


@dataclass
class Child:
    """One process that executes one run at a time.

    Attributes:
        draining: set when the parent was told to stop.
        busy: held while a hint is acted upon; an idle child ends itself only when it gets it.
        idle_since: on the monotonic clock.
        used_device: whether a run has filled the device's memory.
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
    draining: threading.Event = field(default_factory=threading.Event)
    busy: threading.Lock = field(default_factory=threading.Lock)
    idle_since: float = field(default_factory=time.monotonic)
    used_device: bool = False

    def refusal(self) -> str | None:
        """Why this child should not start a run now; None when it may."""
        if self.gpu is None or self.nvml is None:
            return None
        try:
            memory = self.nvml.memory(self.gpu.uuid)
        except DeviceSilent as error:
            return f"the memory of {self.gpu.name} cannot be read: {error}"
        return devices.refusal(self.gpu, memory, os.getpid(), self.settings.gpu_foreign_share)

    def memory_used(self) -> int | None:
        """Bytes in use: of the GPU, if its driver says so, or by this process."""
        if self.gpu is None or self.nvml is None:
            return psutil.Process().memory_info().rss
        with suppress(DeviceSilent):
            return self.nvml.memory(self.gpu.uuid).used
        return None


def start_child(settings: Settings, pools: tuple[str, ...]) -> Child:
    """Make this process ready: pin its device, import what executes runs, join the registry."""
    nvml = devices.system_nvml()
    gpu = devices.gpu_of(_slot(), devices.discover(nvml))
    devices.pin(gpu)
    execution = _import_execution(settings)
    devices.configure_tensorflow(gpu)
    child = Child(
        settings=settings,
        pools=pools,
        gpu=gpu,
        nvml=nvml,
        database=Database(settings.database_url, pool_size=3),
        blobs=Blobs(settings.object_store_url, settings.object_store_options),
        hints=Hints(settings.broker_url),
        execution=cast(Execution, execution),
        id=node.worker_id(os.getpid()),
    )

    signal.signal(DRAIN_SIGNAL, lambda *_: child.draining.set())
    _register(child)
    return child


def report_state(child: Child, state: WorkerState, why: str | None = None) -> None:
    """Tell the registry; it is no reason to stop when the database is away."""
    try:
        with child.database.transaction() as session:
            workers.report(session, child.id, state, memory_used=child.memory_used(), why=why)
    except AWAY as error:
        log.warning("the registry of workers cannot be reached: %s", error)


def _register(child: Child) -> None:
    facts = WorkerFacts(
        id=child.id,
        node=node.node(),
        host=socket.gethostname(),
        pid=os.getpid(),
        pools=child.pools,
        device=child.gpu.name if child.gpu else "cpu",
        memory_total=child.gpu.memory_total if child.gpu else psutil.virtual_memory().total,
    )
    try:
        with child.database.transaction() as session:
            workers.register(session, facts)
    except AWAY as error:
        log.warning("the registry of workers cannot be reached: %s", error)


def _slot() -> int:
    """The number of this process among the children of its parent."""
    return int(getattr(current_process(), "index", 0) or 0)


def _import_execution(settings: Settings) -> ModuleType:
    return importlib.import_module(settings.execution)
