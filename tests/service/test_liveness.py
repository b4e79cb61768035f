"""A file says whether a process of a container works."""

import os
import subprocess
import sys
from pathlib import Path

from service import liveness
from service.liveness import LONGEST_SILENCE, Pulse


def test_silence_is_measured_from_the_last_sign_of_life(tmp_path: Path) -> None:
    pulse = Pulse("beat", tmp_path)
    assert pulse.silence() is None
    pulse.beat()
    silence = pulse.silence()
    assert silence is not None
    assert silence < LONGEST_SILENCE
    [file] = tmp_path.iterdir()
    os.utime(file, (0, 0))
    pulse.beat()
    silence = pulse.silence()
    assert silence is not None
    assert silence > LONGEST_SILENCE, "not more often than every few seconds"
    pulse.beat(every=0)
    silence = pulse.silence()
    assert silence is not None
    assert silence < LONGEST_SILENCE


def test_a_process_that_never_started_is_not_healthy() -> None:
    file = liveness._FOLDER / f"lth-nothing-{os.getuid()}.alive"
    assert not file.exists()
    command = [sys.executable, "-m", "worker", "healthy", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no sign of life" in done.stderr
