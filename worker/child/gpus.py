"""GPUs as data, and the interface of the management library."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class DriverFailed(Exception):
    """The driver does not answer, or not for one GPU."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU; memory in bytes."""

    uuid: str
    name: str
    memory_total: int


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """Bytes of a GPU in use; `by_process` has the processes that the driver reports."""

    used: int
    by_process: dict[int, int]

    def foreign(self, own_pid: int, holds: bool) -> int:
        """Bytes in use by other processes.

        It is 0 if this process `holds` memory and the driver does not report it: in a container
        with its own process ids, the process would count its own memory as foreign, and refuse
        all further runs.
        """
        if holds and own_pid not in self.by_process:
            return 0
        return max(self.used - self.by_process.get(own_pid, 0), 0)


class Nvml(Protocol):
    """The interface of NVIDIA's management library."""

    def gpus(self) -> Sequence[Gpu]:
        """The GPUs that ``CUDA_VISIBLE_DEVICES`` allows.

        Raises:
            DriverFailed: if the driver fails, or none of the named GPUs exists.
        """
        ...

    def memory(self, uuid: str) -> GpuMemory:
        """The current use of a GPU's memory.

        Raises:
            DriverFailed: if the driver does not report it.
        """
        ...
