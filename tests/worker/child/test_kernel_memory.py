"""A worker reads its memory limit and the number of kills; the kernel kills children first."""

from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.worker.gpus import GIB, TWO
from worker.child import kernel_memory
from worker.child.devices import memory_of_a_run, slots_of
from worker.process.memory_kills import MemoryKills

MACHINE = psutil.virtual_memory().total
UNLIMITED = "9223372036854771712\n"
KILLS = "low 0\nhigh 0\nmax 7\noom 3\noom_kill {}\noom_group_kill 0\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"


def files(folder: Path, contents: Mapping[str, str]) -> tuple[Path, Path]:
    """Write the files of a kernel; returns its folders ``/proc`` and ``/sys/fs/cgroup``."""
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder / "proc", folder / "groups"


@pytest.mark.parametrize(
    ("contents", "bytes_"),
    [
        ({}, MACHINE),
        ({"proc/self/cgroup": "0::/a/b\n"}, MACHINE),
        ({"proc/self/cgroup": "0::/a/b\n", "groups/a/b/memory.max": "1000\n"}, 1000),
        ({"proc/self/cgroup": "0::/a/b\n", "groups/a/b/memory.max": "max\n"}, MACHINE),
        ({"proc/self/cgroup": "0::/a/b\n", "groups/a/b/memory.max": "1000\n",
          "groups/a/memory.max": "900\n"}, 900),
        ({"proc/self/cgroup": "0::/\n", "groups/memory.max": "800\n"}, 800),
        ({"proc/self/cgroup": "5:cpu:/x\n4:memory:/a\n0::/\n",
          "groups/memory/a/memory.limit_in_bytes": "700\n",
          "groups/memory/memory.limit_in_bytes": UNLIMITED,
          "groups/cpu/x/memory.max": "1\n"}, 700),
        ({"proc/self/cgroup": "4:memory:/docker/of-the-host\n",
          "groups/memory/memory.limit_in_bytes": "600\n"}, 600),
        ({"proc/self/cgroup": "4:memory:/a\n",
          "groups/memory/a/memory.limit_in_bytes": UNLIMITED}, MACHINE),
        ({"proc/self/cgroup": "0::/a:b\n", "groups/a:b/memory.max": "500\n"}, 500),
        ({"proc/self/cgroup": "9:memory:/a\n0::/b\n", "groups/unified/b/memory.max": "400\n"}, 400),
    ],
)  # fmt: skip
def test_the_smallest_limit_counts(
    contents: Mapping[str, str], bytes_: int, tmp_path: Path
) -> None:
    assert kernel_memory.available(*files(tmp_path, contents)) == bytes_


@pytest.mark.parametrize(
    ("contents", "number"),
    [
        ({}, 0),
        ({"proc/vmstat": "nr_free_pages 5\noom_kill 7\n"}, 7),
        ({"proc/vmstat": "oom_kill 7\n", "proc/self/cgroup": "0::/a\n",
          "groups/a/memory.events": KILLS.format(2)}, 2),
        ({"proc/vmstat": "oom_kill 7\n", "proc/self/cgroup": "4:memory:/a\n",
          "groups/memory/a/memory.oom_control": CONTROL.format(3)}, 3),
        ({"proc/vmstat": "oom_kill 7\n", "proc/self/cgroup": "4:memory:/docker/host\n",
          "groups/memory/memory.oom_control": CONTROL.format(4)}, 4),
        ({"proc/vmstat": "oom_kill 7\n", "proc/self/cgroup": "4:memory:/a\n",
          "groups/memory/a/memory.oom_control": "oom_kill_disable 0\n"}, 7),
    ],
)  # fmt: skip
def test_kills_are_counted_in_the_group_or_on_the_machine(
    contents: Mapping[str, str], number: int, tmp_path: Path
) -> None:
    assert kernel_memory.kills(*files(tmp_path, contents)) == number


def test_this_machine_has_a_limit_and_a_count() -> None:
    assert 0 < kernel_memory.available() <= MACHINE
    assert kernel_memory.kills() >= 0


def test_a_kill_explains_one_death_and_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = [5]
    kills = MemoryKills(lambda: counted[0])
    assert not kills.take(), "the kills before its start"
    counted[0] = 7
    kills.look()
    assert [kills.take() for _ in range(3)] == [True, True, False]
    counted[0] = 2  # the process was moved to another control group
    assert not kills.take()
    counted[0] = 3
    kills.look()
    monkeypatch.setattr("worker.process.memory_kills._REMEMBERED_SECONDS", 0)
    assert not kills.take()


@pytest.mark.parametrize(("before", "after"), [(0, 500), (-997, -497), (300, 800), (900, 1000)])
def test_a_child_is_more_likely_to_be_killed_than_its_parent(
    before: int, after: int, tmp_path: Path
) -> None:
    proc, _ = files(tmp_path, {"proc/self/oom_score_adj": f"{before}\n"})
    kernel_memory.be_killed_first(proc)
    assert (proc / "self/oom_score_adj").read_text() == str(after)


def test_a_process_without_a_score_is_left_alone(tmp_path: Path) -> None:
    kernel_memory.be_killed_first(tmp_path)


def test_the_memory_of_a_machine_is_divided_among_its_children() -> None:
    assert memory_of_a_run(3, (), 0, 12 * GIB) == 4 * GIB
    assert memory_of_a_run(None, TWO, 1, 12 * GIB) == TWO[1].memory_total


def test_a_small_machine_starts_fewer_children_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)))
    assert slots_of(None, (), 64 * GIB) == 16
    assert slots_of(None, (), 7 * GIB) == 3
    assert slots_of(None, (), GIB) == 1
    assert slots_of(16, (), GIB) == 16
