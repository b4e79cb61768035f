"""What the command line needs: the base install alone, here as a folder of links to it."""

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import ROOT


@pytest.fixture(scope="module")
def base_install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what ``pip install lth`` would install, and no extra."""
    folder = tmp_path_factory.mktemp("site-packages")
    wanted, there = ["lth"], set[str]()
    while wanted:
        name = canonicalize_name(wanted.pop())
        if name in there:
            continue
        there.add(name)
        found = distribution(name)
        needed = [Requirement(line) for line in found.requires or ()]
        wanted += [r.name for r in needed if not r.marker or r.marker.evaluate({"extra": ""})]
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not top.endswith(".pth"):
                (folder / top).symlink_to(found.locate_file(top))  # type: ignore[arg-type]
    return folder


def _lth(base_install: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(base_install), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-S", "-m", "service.cli", *words],
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.parametrize("command", [(), ("submit",), ("up",)])
def test_commands_explain_themselves(base_install: Path, command: tuple[str, ...]) -> None:
    done = _lth(base_install, *command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_up_says_which_extras_to_install(base_install: Path) -> None:
    done = _lth(base_install, "up")
    assert done.returncode == 6
    assert "pip install 'lth[service,worker,embedded]'" in done.stderr


def test_a_command_without_a_service_says_how_to_get_one(
    base_install: Path, tmp_path: Path
) -> None:
    done = _lth(base_install, "list", LTH_DATA_DIR=str(tmp_path))
    assert done.returncode == 5
    assert "lth up" in done.stderr
    assert "LTH_SERVER" in done.stderr
    assert "Traceback" not in done.stderr
