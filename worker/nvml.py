"""NVIDIA's management library, behind the few questions that we have."""

import importlib
import os
from collections.abc import Sequence
from typing import Any

from worker.devices import DeviceSilent, Gpu, GpuMemory, Nvml


def open_nvml() -> Nvml | None:
    """NVML, or None on a machine without an NVIDIA driver.

    ``LTH_TEST_NVML`` names a stand-in (``module:factory``) for machines without a GPU.
    """
    stand_in = os.environ.get("LTH_TEST_NVML")
    if stand_in:
        module, factory = stand_in.split(":")
        return getattr(importlib.import_module(module), factory)()
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return _SystemNvml(pynvml)


class _SystemNvml:
    def __init__(self, library: Any) -> None:
        self._library = library

    def gpus(self) -> Sequence[Gpu]:
        library = self._library
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        found = []
        for index in range(library.nvmlDeviceGetCount()):
            handle = library.nvmlDeviceGetHandleByIndex(index)
            gpu = Gpu(
                uuid=_text(library.nvmlDeviceGetUUID(handle)),
                name=_text(library.nvmlDeviceGetName(handle)),
                memory_total=int(library.nvmlDeviceGetMemoryInfo(handle).total),
            )
            if _allowed(visible, index, gpu.uuid):
                found.append(gpu)
        return found

    def memory(self, uuid: str) -> GpuMemory:
        library = self._library
        try:
            handle = library.nvmlDeviceGetHandleByUUID(uuid.encode())
            processes = library.nvmlDeviceGetComputeRunningProcesses(handle)
            used = int(library.nvmlDeviceGetMemoryInfo(handle).used)
        except library.NVMLError as error:
            raise DeviceSilent(str(error)) from error
        return GpuMemory(used, {p.pid: int(p.usedGpuMemory or 0) for p in processes})


def _allowed(visible: str | None, index: int, uuid: str) -> bool:
    """Whether an operator's own ``CUDA_VISIBLE_DEVICES`` leaves us this GPU."""
    if visible is None:
        return True
    named = [part.strip() for part in visible.split(",")]
    return str(index) in named or any(part and uuid.startswith(part) for part in named)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
