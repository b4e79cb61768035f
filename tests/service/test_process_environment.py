"""The environment of the service's processes."""

import os
import subprocess
import sys

import pytest

from service.process_environment import known_environment
from service.settings import Settings
from service.stack.data_directory import DataDirectory
from service.stack.offline import stopped_stack
from service.store.database import Database
from tests import ROOT


def test_variables_that_the_service_does_not_know_are_not_passed_on() -> None:
    passed = {
        "HOME": "/home/ada",
        "LTH_POOLS": "cpu",
        "CUDA_VISIBLE_DEVICES": "0",
        "https_proxy": "http://proxy:1",
        "AWS_REGION": "x",
        "PGPASSFILE": "/secret",
    }
    dropped = dict.fromkeys(
        ["XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "KERAS_HOME", "LANG", "X"],
        "1",
    )
    fixed = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "KERAS_BACKEND": "tensorflow"}
    assert known_environment(passed | dropped | {"TZ": "Asia/Kolkata"}) == passed | fixed


def test_a_process_names_the_variables_that_would_change_results() -> None:
    program = (
        "import os, time; from service.process_environment import use_known_environment\n"
        "use_known_environment(); print(sorted(n for n in os.environ if 'XLA' in n), time.tzname)"
    )
    hostile = {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true", "TF_X": "1", "TZ": "Asia/Kolkata"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **hostile},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[] ('UTC', 'UTC')"
    assert done.stderr.strip() == "ignored, because they change results: TF_X, XLA_FLAGS"


def test_variables_of_postgres_do_not_lead_the_stack_to_another_server(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGPORT": "1",
        "PGSERVICE": "none",
        "PGOPTIONS": "-c nonsense=1",
        "PGDATA": "/nowhere",
        "PGSSLMODE": "verify-full",
        "LC_ALL": "nonsense",
    }.items():
        monkeypatch.setenv(name, value)
    with stopped_stack(DataDirectory(tmp_path / "data")) as settings:
        assert isinstance(settings, Settings)
        database = Database(settings.database_url)
        with database.transaction() as session:
            assert session.connection().closed is False
        database.close()
