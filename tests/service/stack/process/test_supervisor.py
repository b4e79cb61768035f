"""The supervisor restarts parts that die, gives up if they die repeatedly, and stops in order."""

import os
import signal
from pathlib import Path

import pytest

from service.stack.errors import PartDied, StartFailed
from service.stack.process.group import Child, Group
from service.stack.process.supervisor import Part, RestartPolicy, Supervisor


class Parts:
    """Creates parts from shell commands, and records events."""

    def __init__(self, group: Group, folder: Path) -> None:
        self._group, self._folder = group, folder
        self.said: list[str] = []
        self.stopped: list[str] = []

    def part(self, name: str, command: str) -> Part:
        def stop(child: Child) -> None:
            self.stopped.append(name)
            child.stop(signal.SIGTERM, 60)

        log = self._folder / f"{name}.log"
        return Part(name, lambda: self._group.spawn(name, ["sh", "-c", command], log), stop)

    def supervisor(self, policy: RestartPolicy | None = None) -> Supervisor:
        return Supervisor(self._group, self.said.append, policy)


@pytest.fixture
def parts(tmp_path: Path):
    with Group() as group:
        yield Parts(group, tmp_path)


def test_a_part_that_dies_is_reported_and_restarted(parts: Parts) -> None:
    supervisor = parts.supervisor()
    first = supervisor.start(parts.part("sleeper", "exec sleep 600"))
    os.kill(first.pid, signal.SIGKILL)
    supervisor.watch(until=lambda: any("runs again" in text for text in parts.said))
    (child,) = supervisor.children
    assert child.pid != first.pid
    assert child.returncode() is None
    assert parts.said[0].startswith("sleeper died (killed by SIGKILL); restarting it in 0.5 s")


def test_a_part_that_dies_repeatedly_stops_the_stack(parts: Parts) -> None:
    supervisor = parts.supervisor(RestartPolicy(deaths=3, seconds=60))
    supervisor.start(parts.part("broken", "echo the reason; exit 7"))
    with pytest.raises(PartDied, match=r"(?s)broken died \(exit code 7\).*the reason"):
        supervisor.watch()
    assert sum("runs again" in text for text in parts.said) == 2


def test_old_deaths_do_not_count(parts: Parts) -> None:
    supervisor = parts.supervisor(RestartPolicy(deaths=2, seconds=0.2))
    supervisor.start(parts.part("sleeper", "sleep 0.3"))
    supervisor.watch(until=lambda: sum("died" in text for text in parts.said) >= 2)


def test_a_failed_restart_counts_as_a_death(parts: Parts) -> None:
    supervisor = parts.supervisor(RestartPolicy(deaths=2, seconds=60))
    sleeper = parts.part("sleeper", "exec sleep 600")
    starts = iter([sleeper.start])

    def start() -> Child:
        begin = next(starts, None)
        if begin is None:
            raise StartFailed("no disk left")
        return begin()

    first = supervisor.start(Part("sleeper", start, sleeper.stop))
    os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(PartDied, match="no disk left"):
        supervisor.watch()


def test_parts_are_stopped_in_reverse_order(parts: Parts) -> None:
    supervisor = parts.supervisor()
    children = [supervisor.start(parts.part(name, "exec sleep 600")) for name in "abc"]
    supervisor.stop()
    assert parts.stopped == ["c", "b", "a"]
    assert [child.returncode() for child in children] == [-signal.SIGTERM] * 3


def test_a_stack_stops_if_its_group_killer_is_killed(tmp_path: Path) -> None:
    with Group() as group:
        parts = Parts(group, tmp_path)
        supervisor = parts.supervisor()
        supervisor.start(parts.part("sleeper", "exec sleep 600"))
        os.kill(group.number, signal.SIGKILL)
        with pytest.raises(PartDied, match="group killer"):
            supervisor.watch()
        supervisor.stop()
