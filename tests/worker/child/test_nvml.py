"""The interpretation of NVML's answers, with a stand-in for its Python module."""
# ruff: noqa: N802 (its functions have the names of the C library's)

from types import SimpleNamespace

import pynvml
import pytest

from worker.child import devices, nvml
from worker.child.devices import discover
from worker.child.gpus import DriverFailed, Gpu
from worker.child.nvml import SystemNvml, open_nvml

GIB = 1 << 30


class Library:
    """A fake ``pynvml``: GPUs by UUID; some are lost, and some are divided (MIG)."""

    NVMLError = pynvml.NVMLError
    NVMLError_NotFound = pynvml.NVMLError_NotFound

    def __init__(self, *uuids: str, lost: str = "", divided: str = "") -> None:
        self.uuids, self.lost, self.divided = uuids, lost, divided
        self.processes: list[SimpleNamespace] = []

    def nvmlDeviceGetCount(self) -> int:
        return len(self.uuids)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        if self.uuids[index] == self.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return self.uuids[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes) -> str:
        return uuid.decode()

    def nvmlDeviceGetUUID(self, handle: str) -> str:
        return handle

    def nvmlDeviceGetName(self, handle: str) -> bytes:
        return b"NVIDIA L4"

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:
        return SimpleNamespace(total=24 * GIB, used=20 * GIB)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[SimpleNamespace]:
        return self.processes

    def nvmlDeviceGetMigMode(self, handle: str) -> list[int]:
        if not self.divided:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [int(handle == self.divided), 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: str) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: str, index: int) -> str:
        if index > 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return f"MIG-{index}"


def found(library: Library) -> list[str]:
    return [gpu.uuid for gpu in SystemNvml(library).gpus()]


@pytest.mark.parametrize(
    ("visible", "there"),
    [
        (None, ["GPU-aa", "GPU-ab", "GPU-b"]),
        ("0,2", ["GPU-aa", "GPU-b"]),
        ("2, 0", ["GPU-b", "GPU-aa"]),
        ("GPU-b", ["GPU-b"]),
        ("GPU-a", ["GPU-aa", "GPU-ab"]),
        ("1,-1,0", ["GPU-ab"]),
        ("-1", []),
        ("", []),
    ],
)
def test_gpus_are_selected_by_cuda_visible_devices(
    visible: str | None, there: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert found(Library("GPU-aa", "GPU-ab", "GPU-b")) == there


@pytest.mark.parametrize("visible", ["3", "GPU-c"])
def test_a_missing_named_gpu_does_not_start_a_cpu_worker(
    visible: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(DriverFailed, match=f"{visible} names no GPU.*GPU-a, GPU-b"):
        found(Library("GPU-a", "GPU-b"))


def test_a_lost_gpu_is_named_and_the_others_are_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert found(Library("GPU-a", "GPU-b", "GPU-c", lost="GPU-b")) == ["GPU-a", "GPU-c"]
    assert "GPU 1 is not used" in caplog.text


@pytest.mark.parametrize("question", ["nvmlDeviceGetHandleByUUID", "nvmlDeviceGetCount"])
def test_a_later_failure_of_the_driver_is_reported_with_its_message(
    question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    library = Library("GPU-a")
    monkeypatch.setattr(library, question, fail)
    asked = SystemNvml(library)
    with pytest.raises(DriverFailed, match="GPU is lost"):
        asked.gpus() if question.endswith("Count") else asked.memory("GPU-a")


@pytest.mark.parametrize(
    ("visible", "there"),
    [(None, ["GPU-a", "MIG-0", "MIG-1"]), ("MIG-1", ["MIG-1"]), ("1", ["MIG-0", "MIG-1"])],
)
def test_mig_parts_count_as_gpus(
    visible: str | None, there: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert found(Library("GPU-a", "GPU-b", divided="GPU-b")) == there


def test_memory_is_not_foreign_if_the_driver_reports_no_processes() -> None:
    library = Library("GPU-a")
    library.processes = [SimpleNamespace(pid=7, usedGpuMemory=None)]
    memory = SystemNvml(library).memory("GPU-a")
    assert memory.foreign(7, holds=False) == 20 * GIB
    assert memory.foreign(7, holds=True) == 0


@pytest.mark.parametrize(
    ("code", "driver"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, False),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, False),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, True),
        (pynvml.NVML_ERROR_UNKNOWN, True),
    ],
)
def test_a_failed_driver_is_distinguished_from_a_missing_one(
    code: int, driver: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This happens after an upgrade of the driver without a reboot."""

    def fail() -> None:
        raise pynvml.NVMLError(code)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    if not driver:
        assert open_nvml() is None
        return
    with pytest.raises(DriverFailed, match="driver does not work"):
        open_nvml()


def test_children_get_the_gpus_that_their_parent_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv(devices.GPUS_VARIABLE, "")
    monkeypatch.delenv(devices.GPUS_VARIABLE)
    library = Library("GPU-a", "GPU-b")
    monkeypatch.setattr(nvml, "open_nvml", lambda: SystemNvml(library))
    there = discover()
    devices.tell_children(there)
    library.lost = "GPU-a"

    assert discover() == there
    assert devices.gpu_of(1, discover()) == Gpu("GPU-b", "NVIDIA L4", 24 * GIB)
