"""A file says whether a process of a container works."""

import os
import subprocess
import sys
from pathlib import Path

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


def healthy(**env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "worker", "healthy", "beat"]
    return subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )


def test_a_process_that_never_started_is_not_healthy(tmp_path: Path) -> None:
    done = healthy(LTH_HEALTH_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "no sign of life" in done.stderr


def test_a_process_that_gave_a_sign_of_life_is_healthy(tmp_path: Path) -> None:
    Pulse("beat", tmp_path).beat()
    assert healthy(LTH_HEALTH_DIR=str(tmp_path)).returncode == 0


def test_without_a_folder_no_file_is_written_and_no_process_is_healthy() -> None:
    pulse = Pulse("beat", None)
    pulse.beat()
    assert pulse.silence() is None
    done = healthy()
    assert done.returncode == 1
    assert "LTH_HEALTH_DIR is not set" in done.stderr
