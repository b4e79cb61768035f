"""GPUs as data, and the interface of the driver's management library."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class DeviceSilent(Exception):
    """The driver does not answer, or not for a GPU."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU; memory in bytes."""

    uuid: str
    name: str
    memory_total: int


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """Who uses a GPU's memory, in bytes; `by_process` has those whose share the driver tells."""

    used: int
    by_process: dict[int, int]

    def foreign(self, own_pid: int, holds: bool) -> int:
        """What is in use by anyone but this process.

        Nothing, when this process `holds` memory and the driver does not know it: in a container
        with numbers of its own it would take itself for a stranger, and never work again.
        """
        if holds and own_pid not in self.by_process:
            return 0
        return max(self.used - self.by_process.get(own_pid, 0), 0)


class Nvml(Protocol):
    """What is asked of NVIDIA's management library."""

    def gpus(self) -> Sequence[Gpu]:
        """The GPUs that ``CUDA_VISIBLE_DEVICES`` leaves us.

        Raises:
            DeviceSilent: when the driver fails, or there is not one GPU of those it names.
        """
        ...

    def memory(self, uuid: str) -> GpuMemory:
        """Who uses a GPU's memory now.

        Raises:
            DeviceSilent: when the driver does not say.
        """
        ...
