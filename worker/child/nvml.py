"""NVIDIA's management library behind the interface of `worker.child.gpus`."""

import importlib
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

from worker.child.gpus import DriverFailed, Gpu, GpuMemory, Nvml

log = logging.getLogger(__name__)


def open_nvml() -> Nvml | None:
    """NVML; None on a machine without an NVIDIA driver.

    ``LTH_TEST_NVML`` names a stand-in (``module:factory``) for machines without a GPU.

    Raises:
        DriverFailed: if there is a driver, but it fails.
    """
    stand_in = os.environ.get("LTH_TEST_NVML")
    if stand_in:
        module, factory = stand_in.split(":")
        return getattr(importlib.import_module(module), factory)()
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    no_driver = (
        pynvml.nvmlExceptionClass(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND),
        pynvml.nvmlExceptionClass(pynvml.NVML_ERROR_DRIVER_NOT_LOADED),
    )
    try:
        pynvml.nvmlInit()
    except no_driver:
        return None
    except pynvml.NVMLError as error:
        raise DriverFailed(f"NVIDIA's driver does not work: {error}; try nvidia-smi") from error
    return SystemNvml(pynvml)


class SystemNvml:
    """NVML of this machine.

    Args:
        library: the initialized module ``pynvml``.
    """

    def __init__(self, library: Any) -> None:
        self._library = library

    def gpus(self) -> Sequence[Gpu]:
        """See `worker.child.gpus.Nvml`; leaves out lost GPUs, counts parts of one (MIG)."""
        there = [one for index in range(self._count()) for one in self._at(index)]
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        if named is None:
            return [gpu for _, gpu in there]
        found = [gpu for part in _parts(named) for number, gpu in there if _is(part, number, gpu)]
        if _parts(named) and not found:
            has = ", ".join(gpu.uuid for _, gpu in there) or "none"
            raise DriverFailed(
                f"CUDA_VISIBLE_DEVICES={named} names no GPU that answers; there are: {has}"
            )
        return list(dict.fromkeys(found))

    def memory(self, uuid: str) -> GpuMemory:
        """See `worker.child.gpus.Nvml`."""
        library = self._library
        try:
            handle = library.nvmlDeviceGetHandleByUUID(uuid.encode())
            processes = library.nvmlDeviceGetComputeRunningProcesses(handle)
            used = int(library.nvmlDeviceGetMemoryInfo(handle).used)
        except library.NVMLError as error:
            raise DriverFailed(str(error)) from error
        return GpuMemory(
            used, {p.pid: int(p.usedGpuMemory) for p in processes if p.usedGpuMemory is not None}
        )

    def _count(self) -> int:
        try:
            return self._library.nvmlDeviceGetCount()
        except self._library.NVMLError as error:
            raise DriverFailed(f"NVIDIA's driver does not work: {error}") from error

    def _at(self, index: int) -> list[tuple[int, Gpu]]:
        """The GPU with this index, or its MIG parts; empty if it does not answer."""
        library = self._library
        try:
            handle = library.nvmlDeviceGetHandleByIndex(index)
            return [(index, self._described(one)) for one in self._divided(handle) or [handle]]
        except library.NVMLError as error:
            log.error("GPU %d is not used, because the driver reports an error: %s", index, error)
            return []

    def _divided(self, handle: Any) -> list[Any]:
        library = self._library
        try:
            if not library.nvmlDeviceGetMigMode(handle)[0]:
                return []
        except library.NVMLError:
            return []  # most GPUs cannot be divided
        parts = []
        for index in range(library.nvmlDeviceGetMaxMigDeviceCount(handle)):
            with suppress(library.NVMLError_NotFound):
                parts.append(library.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))
        return parts

    def _described(self, handle: Any) -> Gpu:
        library = self._library
        return Gpu(
            uuid=_text(library.nvmlDeviceGetUUID(handle)),
            name=_text(library.nvmlDeviceGetName(handle)),
            memory_total=int(library.nvmlDeviceGetMemoryInfo(handle).total),
        )


def _parts(named: str) -> list[str]:
    """The entries of ``CUDA_VISIBLE_DEVICES`` up to the first that is not a GPU, such as -1."""
    parts = [part.strip() for part in named.split(",")]
    return list(takewhile(lambda part: part and not part.startswith("-"), parts))


def _is(part: str, number: int, gpu: Gpu) -> bool:
    return part == str(number) or (not part.isdigit() and gpu.uuid.startswith(part))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
