"""Starts the processes of a stack so that none can outlive it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from service.stack.errors import StartFailed
from service.stack.process import group_killer
from service.stack.process.server_user import Account

_TAIL_LINES = 15
_KILL_SECONDS = 5.0


class Child:
    """A process of the stack."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        return self.process.pid

    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self.process.poll()

    def wait_until(self, ready: Callable[[], bool], seconds: float, *, every: float = 0.02) -> None:
        """Wait until `ready` returns true.

        Raises:
            StartFailed: if the process ends before, or after `seconds`.
        """
        end = time.monotonic() + seconds
        while not ready():
            code = self.returncode()
            if code is not None:
                raise StartFailed(f"{self.name} ended with {code} at its start\n{self.tail()}")
            if time.monotonic() > end:
                raise StartFailed(f"{self.name} is not ready after {seconds:g} s\n{self.tail()}")
            time.sleep(every)

    def stop(self, number: signal.Signals, seconds: float) -> bool:
        """Send a signal and wait; kill after `seconds`. Returns whether it ended by itself."""
        if self.returncode() is not None:
            return True
        self.process.send_signal(number)
        return self.join(seconds)

    def join(self, seconds: float) -> bool:
        """Wait for the end; kill after `seconds`. Returns whether it ended by itself."""
        try:
            self.process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
        return True

    def tail(self) -> str:
        """The last lines of its log, and the path of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join([*(f"  | {line}" for line in lines), f"  whole log: {self.log}"])


class Group:
    """A process group that ends with the process that created it, even if that is killed.

    See `service.stack.process.group_killer`. Use it as a context; its end kills all remaining
    processes.
    """

    def __init__(self) -> None:
        self._killer = subprocess.Popen(
            [sys.executable, "-I", "-S", group_killer.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def number(self) -> int:
        """The id of the process group."""
        return self._killer.pid

    @property
    def alive(self) -> bool:
        """Whether the group killer runs; without it, a killed parent would leave orphans."""
        return self._killer.poll() is None

    def spawn(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
        inherited: Collection[int] = (),
    ) -> Child:
        """Start a process of the group; its output is appended to `log`.

        It runs as `account`, or as the user of this process, and inherits the open files with the
        numbers `inherited`. Other users cannot read the files that it creates.
        """
        with open(log, "ab", opener=_private) as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                process_group=self._killer.pid,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                pass_fds=inherited,
                umask=0o077,
            )
        child = Child(name, process, log)
        self._children = [other for other in self._children if other.returncode() is None]
        self._children.append(child)
        return child

    def close(self) -> None:
        """Kill all remaining processes of the group."""
        if self._killer.poll() is None:
            self._killer.communicate(b".")
        elif self._killer.stdin:
            self._killer.stdin.close()
        for child in self._children:
            child.stop(signal.SIGKILL, _KILL_SECONDS)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
