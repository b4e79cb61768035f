"""The whole service with `lth up`, through its command line. The tests run in order."""

import io
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from service.store.migrate import up_to_date
from tests import ROOT
from tests.e2e.lth_up import LocalStack, eventually
from tests.parts import alive

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

SLOW = 240.0
"""Seconds in which a part restarts, even if the machine is busy with other tests."""
NAME = """My "Data" it's 100% #1?a=b&c Zürich"""
DEAD = "http://127.0.0.1:9"
SPEC = ROOT / "examples" / "quickstart.yaml"


def _spec(duration: str) -> str:
    return json.dumps({"kind": "model", "training": {"duration": duration}, "plots": "none"})


SMALL = _spec("2ep")
SECONDS = _spec("60ep")
MINUTES = _spec("1000ep")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack in a directory with an unusual name, on a machine with proxies that do not answer."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    stack = LocalStack(tmp_path_factory.mktemp("stack") / NAME, **dict.fromkeys(names, DEAD))
    stack.start()
    yield stack
    if stack.process.poll() is None:
        stack.stop()


@pytest.fixture(scope="module")
def job(stack: LocalStack) -> str:
    """A job that has succeeded."""
    done = stack.lth("submit", str(SPEC), "--wait", "--label", "team=vision")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dense" in done.stdout
    assert "20.80%" in done.stdout
    (job,) = stack.json("list")["jobs"]
    assert (job["state"], job["labels"]) == ("succeeded", {"team": "vision"})
    return job["id"]


def test_a_job_shows_its_runs_and_levels(stack: LocalStack, job: str) -> None:
    shown = stack.json("show", job)
    assert [run["state"] for run in shown["runs"]] == ["succeeded"]
    dense, pruned = shown["results"][0]["result"]["levels"]
    assert dense["early_stop"]["test"]["accuracy"] > 0.9
    assert pruned["sparsity"] == pytest.approx(0.792, abs=0.01)


def test_watching_a_finished_job_shows_all_events(stack: LocalStack, job: str) -> None:
    done = stack.lth("watch", job, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["kind"], events[-1]["kind"]) == ("job_queued", "job_finished")
    later = stack.lth("watch", job, "--json", "--after", str(len(events) - 1))
    assert [json.loads(line) for line in later.stdout.splitlines()] == events[-1:]


def test_fetched_masks_are_boolean_and_exact(stack: LocalStack, job: str, tmp_path: Path) -> None:
    stack.json("fetch", job, "--out", str(tmp_path))
    folder = tmp_path / "trial-1" / "ticket"
    assert (folder / "plots" / "learning.png").read_bytes().startswith(b"\x89PNG")
    with np.load(io.BytesIO((folder / "masks.npz").read_bytes()), allow_pickle=False) as masks:
        assert {mask.dtype for mask in masks.values()} == {np.dtype(bool)}
        shares = [mask.mean() for mask in masks.values()]
    assert shares == pytest.approx([0.2, 0.2, 0.6], abs=1e-3)


def test_a_wrong_spec_is_reported_field_by_field(stack: LocalStack) -> None:
    done = stack.lth("submit", "-", stdin='{"kind": "model", "sed": 1, "seed": -1}')
    assert done.returncode == 3
    assert "/sed" in done.stderr
    assert "/seed" in done.stderr


def test_webhooks_are_signed_with_a_secret_of_the_stack(stack: LocalStack) -> None:
    directory = stack.place.directory
    key = (directory / "admin-key").read_text()
    answer = httpx.get(
        f"{stack.running.server}/v1/webhook-secret", headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["secret"].startswith("whsec_")
    assert (directory / "signing-secret").stat().st_mode & 0o777 == 0o600


def test_an_unknown_job_is_refused(stack: LocalStack) -> None:
    done = stack.lth("show", "job_unknown")
    assert done.returncode == 4
    assert "job_unknown" in done.stderr


def test_a_spec_is_estimated_before_it_is_submitted(stack: LocalStack, job: str) -> None:
    plan = stack.json("estimate", str(SPEC))
    assert [run["key"] for run in plan["runs"]] == ["trial-1/ticket"]
    assert plan["estimate"]["device_seconds"] > 0
    assert stack.json("validate", str(SPEC))["valid"]
    assert "lf" in stack.lth("catalogue", "criteria").stdout
    assert stack.lth("catalogue", "nothing").returncode == 2


def test_a_job_is_cancelled_retried_and_deleted(stack: LocalStack) -> None:
    job = stack.json("submit", "-", stdin=MINUTES)["id"]
    stack.json("cancel", job)
    assert stack.lth("watch", job).returncode == 1
    assert stack.json("show", job)["job"]["state"] == "cancelled"
    assert stack.json("retry", job, "--afresh")["state"] in ("queued", "running")
    assert stack.lth("delete", job).returncode == 4, "a job that runs is not deleted"
    stack.json("cancel", job)
    assert stack.lth("watch", job).returncode == 1
    stack.json("delete", job)
    assert stack.lth("show", job).returncode == 4


def test_the_logs_of_a_run_are_printed(stack: LocalStack, job: str) -> None:
    assert stack.lth("logs", job).returncode == 0
    assert list(stack.json("logs", job)) == ["trial-1/ticket"]


def test_a_key_works_until_it_is_revoked(stack: LocalStack, job: str) -> None:
    made = stack.json("keys", "new", "ada", "--role", "reader", "--name", "laptop")
    as_ada = ("--key", made["key"])
    assert json.loads(stack.lth(*as_ada, "list", "--json").stdout) == {"jobs": []}
    assert stack.lth(*as_ada, "show", job).returncode == 4
    assert stack.lth(*as_ada, "submit", "-", stdin=SMALL).returncode == 4
    stack.json("keys", "revoke", made["id"])
    eventually(lambda: stack.lth(*as_ada, "list").returncode == 4, SLOW)


def test_a_job_can_train_on_an_uploaded_data_set(stack: LocalStack, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 400)
    file = tmp_path / "blobs.npz"
    np.savez(file, x=(rng.normal(size=(400, 8)) + y[:, None]).astype(np.float32), y=y)
    dataset = stack.json("datasets", "upload", str(file))["id"]
    spec = {
        "kind": "model",
        "dataset": {
            "kind": "uploaded",
            "id": dataset,
            "validation": 60,
            "normalisation": "standard",
        },
        "training": {"duration": "2ep", "batch_size": 20},
    }
    done = stack.json("submit", "-", "--wait", stdin=json.dumps(spec))
    assert done["job"]["state"] == "succeeded"
    assert [one["id"] for one in stack.json("datasets", "list")["datasets"]] == [dataset]
    assert stack.lth("datasets", "delete", dataset).returncode == 4


def test_workers_report_their_state(stack: LocalStack) -> None:
    (worker,) = stack.json("workers")["workers"]
    assert worker["device"] == "cpu"
    assert worker["id"] in stack.lth("workers").stdout


def test_a_second_stack_on_the_same_directory_is_refused(stack: LocalStack) -> None:
    done = stack.lth("up", "--port", "0")
    assert done.returncode == 6
    assert stack.running.server in done.stderr
    assert stack.json("list")["jobs"]


@pytest.mark.parametrize("name", ["api", "beat", "worker", "postgres", "valkey"])
def test_a_killed_part_is_restarted_and_reported(stack: LocalStack, name: str) -> None:
    part = stack.part(name)
    below = part.children(recursive=True)
    part.kill()
    eventually(lambda: f"{name} runs again" in stack.said, SLOW)
    assert f"{name} died (killed by SIGKILL)" in stack.said
    assert stack.part(name).pid != part.pid
    eventually(lambda: not any(alive(process) for process in below), SLOW)
    eventually(lambda: _ready(stack), SLOW)
    job = stack.json("submit", "-", "--wait", stdin=SMALL)
    assert job["job"]["state"] == "succeeded"


def test_a_backup_of_a_running_stack_restores_into_another_directory(
    stack: LocalStack, job: str, tmp_path: Path
) -> None:
    saved = stack.json("backup", str(tmp_path / "lth.tar"))
    assert saved["jobs"] >= 1
    other = ("--data-dir", str(tmp_path / "other"))
    assert stack.json("restore", str(tmp_path / "lth.tar"), *other) == saved
    assert stack.json("backup", str(tmp_path / "again.tar"), *other) == saved
    refused = stack.lth("restore", str(tmp_path / "lth.tar"))
    assert refused.returncode == 6
    assert "stop it first" in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_survives_a_restart_of_the_stack(
    stack: LocalStack, job: str, number: signal.Signals
) -> None:
    unfinished = stack.json("submit", "-", stdin=SECONDS)["id"]
    processes = stack.processes()
    assert len(processes) >= 7
    assert stack.stop(number) == 0
    assert not [process for process in processes if alive(process)]
    assert stack.place.running() is None
    stack.start()
    assert stack.json("show", job)["job"]["state"] == "succeeded"
    done = stack.lth("watch", unfinished)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_interrupted_start_leaves_no_processes(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "data")
    stack.begin()
    eventually(lambda: "beat" in stack.said, SLOW)
    processes = stack.processes()
    assert stack.stop(signal.SIGINT) == 0
    assert not [process for process in processes if alive(process)]


def test_parts_from_the_environment_are_used_instead_of_new_ones(
    tmp_path: Path, empty_database_url: str, broker_url: str
) -> None:
    named = {"LTH_DATABASE_URL": empty_database_url, "LTH_BROKER_URL": broker_url}
    stack = LocalStack(tmp_path / "data", **named)
    stack.begin()
    eventually(lambda: "beat" in stack.said, SLOW)
    assert "PostgreSQL" not in stack.said
    assert not stack.place.postgres.exists()
    assert not stack.place.valkey.exists()
    assert up_to_date(empty_database_url)
    assert stack.stop(signal.SIGINT) == 0


def test_a_port_in_use_is_reported_before_any_part_starts(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "data")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = stack.lth("up", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 6
    assert "choose another with --port" in done.stderr
    assert not stack.place.postgres.exists()


def test_no_process_outlives_a_killed_stack(stack: LocalStack) -> None:
    processes = stack.processes()
    assert len(processes) >= 7
    stack.stop(signal.SIGKILL)
    eventually(lambda: not any(alive(process) for process in processes), SLOW)


def _ready(stack: LocalStack) -> bool:
    try:
        return httpx.get(f"{stack.running.server}/readyz", timeout=5).is_success
    except httpx.TransportError:
        return False
