"""Runs `lth` as a user does: as processes, on a data directory of the test."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from lth.client.local_stack import Running
from service.stack.data_directory import DataDirectory
from tests.parts import alive

LTH = [sys.executable, "-m", "lth.cli"]
READY_SECONDS = 240.0

_WORDS = {
    "api": r"-m service.api ",
    "beat": r"-m worker beat$",
    "worker": r"-m worker$",
    "postgres": r"bin/postgres -D",
    "valkey": r"valkey-server",
}


class LocalStack:
    """An `lth up` on a data directory."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.place = DataDirectory(directory)
        self.env = {**os.environ, "LTH_DATA_DIR": str(directory), "COLUMNS": "200", **settings}
        self._said = directory.with_suffix(".said")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the stack was not started"
        return self._process

    @property
    def said(self) -> str:
        """Its output."""
        return self._said.read_text()

    @property
    def running(self) -> Running:
        """Its announcement."""
        running = self.place.running()
        assert running is not None, self.said
        return running

    def start(self) -> None:
        """Start it, and wait until it reports that it is ready."""
        self.begin()
        eventually(lambda: "ready" in self.said or self.process.poll() is not None, READY_SECONDS)
        assert self.process.poll() is None, self.said

    def begin(self) -> None:
        """Start it."""
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [*LTH, "up", "--port", "0", "--workers", "1"],
                env=self.env,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def processes(self) -> list[psutil.Process]:
        """All of its processes."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, name: str) -> psutil.Process:
        """The process of a part, such as ``api``."""
        wanted = _WORDS[name]
        (found,) = (
            process
            for process in psutil.Process(self.process.pid).children()
            if alive(process) and re.search(wanted, " ".join(process.cmdline()))
        )
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(120)

    def lth(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command, which finds this stack through its data directory."""
        return subprocess.run(
            [*LTH, *words], env=self.env, input=stdin, capture_output=True, text=True, timeout=400
        )

    def json(self, *words: str, stdin: str | None = None) -> Any:
        """Run a command with ``--json``; returns the parsed output."""
        done = self.lth(*words, "--json", stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


def eventually(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.1)
