"""The converting process and its bounds."""

import asyncio
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from service.api.datasets.converting import Converter
from service.api.http.problems import Unavailable
from service.converting.messages import Order
from tests.service.api.test_dataset_formats import csv, upload
from tests.service.api.test_submitting import problem
from tests.service.api.test_uploading import small_disk

__all__ = ["small_disk"]


def order(source: int = 0, target: int = 1) -> Order:
    bounds = {"most_bytes": 10**6, "most_values": 10**6, "most_classes": 100}
    return Order(source=source, target=target, label_column=None, **bounds)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a shell script instead of the converting process."""

    def use(script: str) -> None:
        path = tmp_path / "stand-in"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr("service.api.datasets.converting.sys.executable", str(path))

    return use


def test_a_crash_of_the_process_is_a_clear_error(api: httpx.Client, stand_in) -> None:
    for script in ("kill -SEGV $$", "exit 1", "exit 0"):
        stand_in(script)
        document = problem(upload(api, csv()), 422, "invalid-dataset")
        assert "damaged, or needs too much memory" in document["detail"]


def test_the_process_gets_no_secrets(
    api: httpx.Client, stand_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTH_ADMIN_KEY", "very-secret")
    stand_in("""printf '{"error": "%s"}' "$(env | tr '\\n"\\\\' '   ')" """)
    said = problem(upload(api, csv()), 422, "invalid-dataset")["detail"]
    assert "PATH=" in said
    assert "very-secret" not in said


def test_a_disk_that_gets_full_is_answered_with_507(small_disk: Path, api: httpx.Client) -> None:
    columns = [f"c{n}" for n in range(200)]
    rows = [",".join(["1"] * 200) + f",{n % 2}" for n in range(5_000)]
    table = "\n".join([",".join([*columns, "label"]), *rows]).encode()
    assert len(table) < 3 * 2**20
    problem(upload(api, table), 507, "insufficient-storage")
    assert upload(api, csv()).status_code == 201
    assert not list(small_disk.iterdir())


def test_the_process_ends_with_the_api() -> None:
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as target:
        asked = order(reading, target.fileno())
        process = subprocess.Popen(
            [sys.executable, "-m", "service.converting", asked.model_dump_json()],
            pass_fds=(reading, target.fileno()),
            stdin=subprocess.PIPE,
        )
        os.close(reading)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.stdin.close()
        assert process.wait(60) == 1
    os.close(writing)


async def test_some_files_wait_and_more_are_refused_and_a_cancelled_one_leaves_no_process(
    stand_in,
) -> None:
    stand_in("exec sleep 600")
    before = set(psutil.Process().children())
    converter = Converter()
    tasks = [asyncio.create_task(converter.convert(order())) for _ in range(16)]
    while len(set(psutil.Process().children()) - before) < 2:
        await asyncio.sleep(0.01)
    with pytest.raises(Unavailable, match="16 files are waiting"):
        await converter.convert(order())
    started = set(psutil.Process().children()) - before
    assert len(started) == 2
    for task in reversed(tasks):
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive
    stand_in("""printf '{"converted": {"format": "csv", "class_names": ["a", "b"]}}'""")
    assert (await converter.convert(order())).class_names == ("a", "b")
