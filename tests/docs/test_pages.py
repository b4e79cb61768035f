"""Runs the code of the README and of the guides, page by page, with a running service."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests import ROOT
from tests.e2e.lth_up import LocalStack
from tests.service.api.test_dataset_formats import csv, flat, zipped

pytestmark = pytest.mark.system

BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = ("README.md", "docs/notebook.md", "docs/client.md", "docs/ci.md")
INSTALLS = "pip install"
"""`tests/e2e/test_wheels.py` tests what these commands install."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    stack = LocalStack(tmp_path_factory.mktemp("stack"))
    stack.start()
    yield stack
    stack.stop()


class Page:
    """Runs the blocks of a page in a working directory of its own."""

    def __init__(self, folder: Path, stack: LocalStack) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "examples", folder / "examples")
        programs = folder / "bin"
        programs.mkdir()
        lth = programs / "lth"
        lth.write_text(f'#!/bin/sh\nexec {sys.executable} -m lth.cli "$@"\n')
        lth.chmod(0o700)
        self.env = {
            **stack.env,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "LTH_SERVER": stack.running.server,
            "LTH_API_KEY": stack.place.make_admin_key(),
            "MPLBACKEND": "agg",
        }
        self.job = ""
        (folder / "flowers.csv").write_bytes(csv(label="species"))
        (folder / "pets.zip").write_bytes(zipped(flat()))

    def bash(self, code: str) -> None:
        """Run commands; ``JOB`` stands for the job that was submitted last."""
        for command in re.sub(r"\\\n\s*", "", code).splitlines():
            done = subprocess.run(
                ["bash", "-euc", command.replace("JOB", self.job)],
                cwd=self.folder,
                env=self.env,
                capture_output=True,
                text=True,
                timeout=200,
            )
            said = done.stdout + done.stderr
            assert done.returncode == 0, f"{command}\n{said}"
            headers = self.folder / "headers.txt"
            found = re.findall(r"\bjob_[0-9a-f]{32}\b", said)
            if headers.exists():
                found += re.findall(r"\bjob_[0-9a-f]{32}\b", headers.read_text())
                headers.unlink()
            if "submit" in command or "curl -sS -D" in command:
                assert found, said
                self.job = found[0]

    def python(self, codes: list[str]) -> None:
        """Run the Python blocks of a page, one after the other in one process."""
        digits = load_digits().images[:5, :, :, None].astype("float32")
        np.save(self.folder / "digits.npy", digits)
        before = "import numpy as np\nimages = np.load('digits.npy')\n"
        script = self.folder / "page.py"
        script.write_text(before + "\n".join(codes))
        done = subprocess.run(
            [sys.executable, script],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_runs(page: str, stack: LocalStack, tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert blocks
    runner = Page(tmp_path, stack)
    for language, code in blocks:
        if language == "bash" and not code.startswith(INSTALLS):
            runner.bash(code)
    if codes := [code for language, code in blocks if language == "python"]:
        runner.python(codes)


def test_every_page_with_code_is_run() -> None:
    with_code = {
        str(path.relative_to(ROOT))
        for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        if any(not code.startswith(INSTALLS) for _, code in BLOCK.findall(path.read_text()))
    }
    assert with_code == set(PAGES)
