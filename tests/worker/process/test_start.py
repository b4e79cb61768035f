"""Processes that cannot start report why and end, so that they do not consume hints."""

import subprocess
import sys

import pytest

from tests import ROOT
from worker.process import tasks


def test_a_child_that_cannot_start_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ImportError("libcudart.so is missing")

    def end(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(tasks, "start_child", fail)
    monkeypatch.setattr(tasks.os, "_exit", end)
    with pytest.raises(SystemExit, match="1"):
        tasks._start()
    assert "libcudart.so is missing" in caplog.text


@pytest.mark.parametrize(("starts", "code"), [("worker", 1), ("beat", 0)])
def test_a_failed_driver_stops_the_start_of_the_worker_but_not_of_the_beat(
    starts: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTH_TEST_NVML", "tests.worker.steps:silent_driver")
    arguments = ["beat", "--help"] if starts == "beat" else ["--help"]
    command = [sys.executable, "-W", "ignore", "-m", "worker", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert (code == 1) == ("cannot start: the driver does not answer" in done.stderr)
