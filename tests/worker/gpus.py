"""A stand-in for NVML with two GPUs, whose memory in use is in a file."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from worker.child.gpus import DriverFailed, Gpu, GpuMemory

GIB = 1 << 30
SILENT = "silent"
TWO = (Gpu("GPU-a", "Test GPU A", 16 * GIB), Gpu("GPU-b", "Test GPU B", 16 * GIB))


class Machine:
    """`usage` is a file: GPU's UUID -> process -> GiB; or a word for a failed driver."""

    def __init__(self, usage: Path) -> None:
        self._usage = usage

    def gpus(self) -> Sequence[Gpu]:
        return TWO

    def memory(self, uuid: str) -> GpuMemory:
        said = self._usage.read_text() if self._usage.exists() else "{}"
        if said == SILENT:
            raise DriverFailed("the GPU is lost")
        used = json.loads(said).get(uuid, {})
        by_process = {int(pid): int(gib * GIB) for pid, gib in used.items()}
        return GpuMemory(sum(by_process.values()), by_process)


def machine() -> Machine:
    return Machine(Path(os.environ["LTH_TEST_GPU_USAGE"]))
