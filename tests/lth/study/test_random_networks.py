"""Random networks: equal seeds give equal bytes, in a hostile environment too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.lth.random_networks import digests

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]

NUMBERS = range(4)
HOSTILE = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "LC_ALL": "tr_TR.UTF-8",
    "PGHOST": "nowhere.example",
    "PGOPTIONS": "-c nonsense=1",
    "PGPORT": "1",
    "TZ": "Asia/Kolkata",
}


def test_equal_seeds_give_equal_bytes_also_in_a_hostile_environment(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    settings = {"backend": "tensorflow", "image_data_format": "channels_first", "epsilon": 0.1}
    (home / "keras.json").write_text(json.dumps(settings))
    command = [sys.executable, "-W", "ignore", "-m", "tests.lth.random_networks"]
    hostile = subprocess.Popen(
        [*command, *map(str, NUMBERS)],
        cwd=ROOT,
        env={**os.environ, **HOSTILE, "KERAS_HOME": str(home), "TMPDIR": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    here = {str(number): digests(number) for number in NUMBERS}
    for number, (first, again, other) in here.items():
        assert first == again, number
        assert first != other, number
    printed, _ = hostile.communicate()
    assert json.loads(printed.splitlines()[-1]) == here
