"""Restarts the parts of a stack, or stops all of them, so that no stack runs incompletely."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from service.stack.errors import PartDied, StartFailed
from service.stack.process.group import Child, Group
from service.stack.process.logfiles import rotate

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Part:
    """One process of a stack.

    Attributes:
        start: starts it, and waits until it is ready.
        stop: stops it.
    """

    name: str
    start: Callable[[], Child]
    stop: Callable[[Child], None]


@dataclass(frozen=True)
class RestartPolicy:
    """How often a part may die before the stack stops.

    Attributes:
        deaths: number of deaths that stop the stack.
        seconds: only deaths within this time count.
    """

    deaths: int = 5
    seconds: float = 120.0


@dataclass
class _Watched:
    part: Part
    child: Child
    deaths: list[float] = field(default_factory=list)
    due: float = 0.0
    """When to restart it; 0 while it runs."""


class Supervisor:
    """Starts parts in order, restarts those that die, and stops them in reverse order."""

    def __init__(
        self, group: Group, say: Callable[[str], None], policy: RestartPolicy | None = None
    ) -> None:
        self._group = group
        self._say = say
        self._policy = policy or RestartPolicy()
        self._watched: list[_Watched] = []

    @property
    def children(self) -> Sequence[Child]:
        """The processes, in the order of their start."""
        return [watched.child for watched in self._watched]

    def start(self, part: Part) -> Child:
        """Start a part, and watch it from now on."""
        child = part.start()
        self._watched.append(_Watched(part, child))
        return child

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Restart parts that die, and rotate logs, until `until` returns true.

        Raises:
            PartDied: if a part dies too often, or cannot be restarted.
        """
        while not until():
            if not self._group.alive:
                raise PartDied("the process that prevents orphans (the group killer) was killed")
            for watched in self._watched:
                self._check(watched)
                rotate(watched.child.log)
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """Stop all parts, the last one first."""
        while self._watched:
            watched = self._watched.pop()
            watched.part.stop(watched.child)

    def _check(self, watched: _Watched) -> None:
        if watched.due:
            if time.monotonic() >= watched.due:
                self._restart(watched)
            return
        code = watched.child.returncode()
        if code is not None:
            self._schedule_restart(watched, f"died ({_described(code)})", watched.child.tail())

    def _schedule_restart(self, watched: _Watched, happened: str, log: str) -> None:
        now, name = time.monotonic(), watched.part.name
        recent = [when for when in watched.deaths if now - when < self._policy.seconds]
        watched.deaths = [*recent, now]
        if len(watched.deaths) >= self._policy.deaths:
            raise PartDied(
                f"{name} {happened}; it failed {len(watched.deaths)} times within "
                f"{self._policy.seconds:g} s\n{log}"
            )
        wait = min(_FIRST_WAIT * 2 ** len(recent), _LONGEST_WAIT)
        watched.due = now + wait
        self._say(f"{name} {happened}; restarting it in {wait:g} s ({watched.child.log})")

    def _restart(self, watched: _Watched) -> None:
        watched.due = 0.0
        try:
            watched.child = watched.part.start()
        except StartFailed as error:
            self._schedule_restart(watched, "did not restart", str(error))
        else:
            self._say(f"{watched.part.name} runs again (process {watched.child.pid})")


def _described(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
