"""What the Linux kernel says about memory: how much there is, and which processes it killed.

Control groups (cgroups) of both versions are read. On other systems the files do not exist: then
only the memory of the machine is known.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import psutil

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")
_MORE_LIKELY = 500
"""What a child adds to its ``oom_score_adj``: as if it used half of the memory in addition."""
_MOST_LIKELY = 1000


def available(proc: Path = _PROC, groups: Path = _GROUPS) -> int:
    """Bytes of memory of this machine, or the smallest limit of a control group of this process."""
    limits = [psutil.virtual_memory().total]
    for folder in _folders(proc, groups):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # the file is absent, or contains "max"
                limits.append(int((folder / name).read_text()))
    return min(limits)


def kills(proc: Path = _PROC, groups: Path = _GROUPS) -> int:
    """How many processes the kernel has killed because memory ran out.

    It counts in the control group of this process, or else on the whole machine. It is 0 if the
    kernel does not count.
    """
    of_groups = [
        folder / name
        for folder in _folders(proc, groups)
        for name in ("memory.events", "memory.oom_control")
    ]
    for file in (*of_groups, proc / "vmstat"):
        with suppress(OSError):
            for line in file.read_text().splitlines():
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    return int(number)
    return 0


def be_killed_first(proc: Path = _PROC) -> None:
    """Make the kernel kill this process before the others of a stack if memory runs out."""
    file = proc / "self/oom_score_adj"
    with suppress(OSError):
        file.write_text(str(min(int(file.read_text()) + _MORE_LIKELY, _MOST_LIKELY)))


def _folders(proc: Path, groups: Path) -> Iterator[Path]:
    """The folder of the memory control group of this process, then those of its parents.

    Folders may be absent: a container may see the names of its host, but only its own group.
    """
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            mounts = [groups, groups / "unified"]  # version 2, alone or beside version 1
        elif "memory" in controllers.split(","):
            mounts = [groups / "memory"]
        else:
            continue
        path = PurePosixPath(name)
        for part in (path, *path.parents):
            for mount in mounts:
                yield mount / part.relative_to("/")
