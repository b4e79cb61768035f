"""The documentation builds as a site without warnings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

pytestmark = pytest.mark.system


def test_the_site_builds_in_strict_mode(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for page, words in (
        ("reference/library", "LotteryModel"),
        ("reference/client", "wait"),
        ("methods", "large_final"),
    ):
        assert words in (tmp_path / "site" / page / "index.html").read_text()
