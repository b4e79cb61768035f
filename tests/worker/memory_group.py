"""A memory control group (cgroup) for processes of a test, or a bound on their address space."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil

from worker.child import kernel_memory

_LIMITS = ("memory.limit_in_bytes", "memory.max")
_MEMBERS = "cgroup.procs"


@dataclass(frozen=True)
class MemoryGroup:
    """A control group below that of this process; the kernel kills in it if memory runs out."""

    folder: Path

    def limit(self, most: int) -> None:
        """Bound the memory of all processes in the group."""
        name = next(name for name in _LIMITS if (self.folder / name).exists())
        (self.folder / name).write_text(str(most))

    def starve(self) -> None:
        """Leave its processes about as much memory as they use in it."""
        for most in (1 << size for size in range(20, 40)):
            with suppress(OSError):  # they use more
                self.limit(most)
                return

    def add(self, pid: int) -> None:
        """Move a process into the group; its future children are in it too."""
        (self.folder / _MEMBERS).write_text(str(pid))

    def add_family(self, pid: int) -> None:
        """Move a process and all below it into the group."""
        for member in (pid, *(one.pid for one in psutil.Process(pid).children(recursive=True))):
            with suppress(ProcessLookupError):
                self.add(member)

    def kills(self) -> int:
        """How many of its processes the kernel has killed."""
        for name in ("memory.oom_control", "memory.events"):
            with suppress(FileNotFoundError):
                lines = (self.folder / name).read_text().splitlines()
                return int(next(line for line in lines if line.startswith("oom_kill ")).split()[1])
        raise AssertionError(f"{self.folder} does not count kills")

    def dissolve(self) -> None:
        """Move the processes that are left to the group of this process, and delete the group."""
        until = time.monotonic() + 30
        while True:
            for pid in (self.folder / _MEMBERS).read_text().split():
                with suppress(ProcessLookupError):
                    (self.folder.parent / _MEMBERS).write_text(pid)
            with suppress(OSError):
                self.folder.rmdir()
                return
            assert time.monotonic() < until, f"{self.folder} stays in use"
            time.sleep(0.05)


@contextmanager
def memory_group(most: int | None = None) -> Iterator[MemoryGroup | None]:
    """A new control group; None if this process may not create one that bounds memory."""
    group = _created()
    if group is None:
        yield None
        return
    try:
        if most is not None:
            group.limit(most)
        yield group
    finally:
        group.dissolve()


def bound(group: MemoryGroup | None, pid: int, most: int) -> None:
    """Bound the memory of a process: by its group, or else its address space."""
    if group is None:
        psutil.Process(pid).rlimit(psutil.RLIMIT_AS, (most, most))
    else:
        group.add(pid)


def _created() -> MemoryGroup | None:
    for parent in kernel_memory._folders(kernel_memory._PROC, kernel_memory._GROUPS):
        folder = parent / f"lth-test-{uuid4().hex[:8]}"
        with suppress(OSError):
            folder.mkdir()
            if any((folder / name).exists() for name in _LIMITS):
                return MemoryGroup(folder)
            folder.rmdir()
    return None
