"""What a run writes is kept, whatever writes it, and none of it is lost to the screen later."""

import os
import subprocess
import sys

import pytest

from worker.logs import captured


def test_output_of_python_c_and_children_is_captured_in_order(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with captured() as log:
        os.write(1, b"from C\n")
        os.write(2, b"error from C\n")
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
        tail = log.tail()
    os.write(1, b"afterwards\n")

    assert tail.splitlines() == ["from C", "error from C", "from a child"]
    assert capfd.readouterr().out == "afterwards\n"


def test_very_long_output_keeps_its_beginning_and_its_end() -> None:
    with captured() as log:
        os.write(1, b"beginning\n")
        for _ in range(60):
            os.write(1, b"x" * 100_000)
        os.write(1, b"\nend\n")
        content = log.content()

    assert content.startswith(b"beginning")
    assert content.endswith(b"end\n")
    assert b"left out" in content
    assert len(content) < 5_000_000
