"""All output of a run is stored in its log."""

import os
import subprocess
import sys

import pytest

from worker.run.logs import captured


def test_output_of_python_c_and_children_is_captured_in_order(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with captured(bytes) as log:
        os.write(1, b"from C\n")
        os.write(2, b"error from C\n")
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
        tail = log.tail()
    os.write(1, b"afterwards\n")

    assert tail.splitlines() == ["from C", "error from C", "from a child"]
    assert capfd.readouterr().out == "afterwards\n"


def test_very_long_output_keeps_its_beginning_and_its_end() -> None:
    with captured(bytes) as log:
        os.write(1, b"beginning\n")
        for _ in range(60):
            os.write(1, b"x" * 100_000)
        os.write(1, b"\nend\n")
        content = log.content()

    assert content.startswith(b"beginning")
    assert content.endswith(b"end\n")
    assert b"left out" in content
    assert len(content) < 5_000_000


def test_a_very_long_log_is_never_read_into_memory_as_a_whole() -> None:
    with captured(bytes) as log:
        os.write(1, b"beginning\n")
        os.ftruncate(1, 1 << 40)
        os.lseek(1, 0, os.SEEK_END)
        os.write(1, b"end\n")
        content = log.content()

    assert content.startswith(b"beginning")
    assert content.endswith(b"end\n")
    assert len(content) < 5_000_000


def test_a_full_disk_loses_only_the_log(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    buffered = open(1, "w", closefd=False)  # noqa: SIM115
    monkeypatch.setattr(sys, "stdout", buffered)
    with open("/dev/full", "w+b", 0) as full:
        monkeypatch.setattr("worker.run.logs.TemporaryFile", lambda: full)
        with captured(bytes) as log:
            print("held back")
            assert log.content() == b""
    buffered.close()
    os.write(1, b"afterwards\n")

    assert capfd.readouterr().out.endswith("afterwards\n")
