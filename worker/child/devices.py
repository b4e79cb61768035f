"""The devices of this machine: its GPUs as NVML knows them, or the CPU.

One child process has one GPU, which it sees alone through ``CUDA_VISIBLE_DEVICES``; without a GPU,
one child has one core, and TensorFlow gets one thread: two runs at once on two cores train some
1.4 times as many samples in a second as one after the other on both, and a convolution's sums,
which depend on the number of threads, come out alike on every worker.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from worker.child import nvml
from worker.child.gpus import Gpu, GpuMemory, Nvml

TOLD = "LTH_WORKER_GPUS"
"""Where a parent tells its children what GPUs there are."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
           "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")  # fmt: skip


def discover() -> tuple[Gpu, ...]:
    """The GPUs of this worker; none is no error.

    A parent looks, and its children are told: would they look themselves, a GPU that failed
    meanwhile would change which is whose.

    Raises:
        DeviceSilent: when there is a driver, but it fails.
    """
    told = os.environ.get(TOLD)
    if told is not None:
        return tuple(Gpu(**gpu) for gpu in json.loads(told))
    found = system_nvml()
    return tuple(found.gpus()) if found else ()


def tell_children(gpus: Sequence[Gpu]) -> None:
    """Leave word of the GPUs to the processes that this one starts."""
    os.environ[TOLD] = json.dumps([asdict(gpu) for gpu in gpus])


def system_nvml() -> Nvml | None:
    """NVML of this machine, if it has any.

    Raises:
        DeviceSilent: when there is a driver, but it fails.
    """
    return nvml.open_nvml()


def slots_of(wanted: int | None, gpus: Sequence[Gpu]) -> int:
    """How many runs this machine executes at once: one a GPU, or one a core."""
    if gpus:
        return min(wanted or len(gpus), len(gpus))
    return wanted or len(os.sched_getaffinity(0))


def gpu_of(slot: int, gpus: Sequence[Gpu]) -> Gpu | None:
    """The GPU of a child process, by its number among the children."""
    return gpus[slot % len(gpus)] if gpus else None


def pin(gpu: Gpu | None) -> None:
    """Let this process see one GPU or none; to be called before TensorFlow is imported."""
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu.uuid if gpu else "-1"
    if gpu:
        os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"


def one_thread() -> None:
    """Give every numeric library of this process's children one thread, unless told otherwise."""
    for name in THREADS:
        os.environ.setdefault(name, "1")


def configure_tensorflow(gpu: Gpu | None) -> None:
    """Let TensorFlow take a GPU's memory as it needs it, if it was imported already."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow and gpu:
        for device in tensorflow.config.list_physical_devices("GPU"):
            tensorflow.config.experimental.set_memory_growth(device, True)


def refusal(
    gpu: Gpu, memory: GpuMemory, own_pid: int, share: float, holds: bool = False
) -> str | None:
    """Why no run should be started on a GPU: others fill more than `share` of it."""
    foreign = memory.foreign(own_pid, holds)
    if foreign <= share * gpu.memory_total:
        return None
    return (
        f"others use {foreign / 2**30:.1f} of {gpu.memory_total / 2**30:.1f} GiB of the GPU, "
        f"more than the {share:.0%} that gpu_foreign_share allows"
    )
