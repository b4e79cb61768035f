"""The devices of this machine: its GPUs as reported by NVML, or the CPU.

Each child has one GPU, the only one in its ``CUDA_VISIBLE_DEVICES``. Without a GPU, each child has
one core, and TensorFlow one thread. Two runs at once on two cores then train about 1.4 times as
many samples per second as one run after the other on both. The sums of a convolution depend on the
number of threads, so one thread also gives the same bytes on every worker.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from worker.child import nvml
from worker.child.gpus import Gpu, GpuMemory, Nvml

GPUS_VARIABLE = "LTH_WORKER_GPUS"
"""The variable in which a parent passes the GPUs to its children."""
_MEMORY_OF_A_RUN = 2_500_000_000
"""Bytes for each child by default: enough for the networks of the papers on MNIST."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
           "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")  # fmt: skip


def discover() -> tuple[Gpu, ...]:
    """The GPUs of this worker; may be empty.

    The parent finds the GPUs and passes them to its children. If each child looked for itself, a
    GPU that failed meanwhile would change the assignment.

    Raises:
        DriverFailed: if there is a driver, but it fails.
    """
    told = os.environ.get(GPUS_VARIABLE)
    if told is not None:
        return tuple(Gpu(**gpu) for gpu in json.loads(told))
    found = system_nvml()
    return tuple(found.gpus()) if found else ()


def tell_children(gpus: Sequence[Gpu]) -> None:
    """Pass the GPUs to the processes that this one starts."""
    os.environ[GPUS_VARIABLE] = json.dumps([asdict(gpu) for gpu in gpus])


def system_nvml() -> Nvml | None:
    """NVML of this machine; None if it has none.

    Raises:
        DriverFailed: if there is a driver, but it fails.
    """
    return nvml.open_nvml()


def slots_of(wanted: int | None, gpus: Sequence[Gpu], memory: int) -> int:
    """The number of runs at once on this machine: one for each GPU, or for each core.

    Without GPUs, there are fewer by default if `memory` bytes do not suffice for so many.
    """
    if gpus:
        return min(wanted or len(gpus), len(gpus))
    return wanted or max(min(len(os.sched_getaffinity(0)), memory // _MEMORY_OF_A_RUN), 1)


def memory_of_a_run(wanted: int | None, gpus: Sequence[Gpu], slot: int, memory: int) -> int:
    """Bytes that the run of a child may use: all of its GPU, or its share of the machine."""
    gpu = gpu_of(slot, gpus)
    return gpu.memory_total if gpu else memory // slots_of(wanted, gpus, memory)


def gpu_of(slot: int, gpus: Sequence[Gpu]) -> Gpu | None:
    """The GPU of a child, by its index among the children."""
    return gpus[slot % len(gpus)] if gpus else None


def pin(gpu: Gpu | None) -> None:
    """Make one GPU visible to this process, or none; call it before TensorFlow is imported."""
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu.uuid if gpu else "-1"
    if gpu:
        os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"


def one_thread() -> None:
    """Set numeric libraries in child processes to one thread, unless configured otherwise."""
    for name in THREADS:
        os.environ.setdefault(name, "1")


def configure_tensorflow(gpu: Gpu | None) -> None:
    """Let TensorFlow allocate memory of the GPU on demand, if it is imported."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow and gpu:
        for device in tensorflow.config.list_physical_devices("GPU"):
            tensorflow.config.experimental.set_memory_growth(device, True)


def refusal(
    gpu: Gpu, memory: GpuMemory, own_pid: int, share: float, holds: bool = False
) -> str | None:
    """Why no run should start on a GPU: other programs use more than `share` of its memory."""
    foreign = memory.foreign(own_pid, holds)
    if foreign <= share * gpu.memory_total:
        return None
    return (
        f"other programs use {foreign / 2**30:.1f} of {gpu.memory_total / 2**30:.1f} GiB of the "
        f"GPU, more than the {share:.0%} that gpu_foreign_share allows"
    )
