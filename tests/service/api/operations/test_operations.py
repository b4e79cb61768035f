"""Endpoints for operators (workers, owners, metrics), and the end of a run as users see it."""

import json

import pytest
from sqlalchemy import func, insert, select, update

from service.store.blobs.object_store import Blobs
from service.store.states import Reason, RunState
from service.store.tables import Result, Run, StoredBlob, WorkerState
from service.store.workers import workers
from service.store.workers.workers import WorkerFacts
from tests.service.api.conftest import client
from tests.service.api.test_jobs import SESSION
from tests.service.api.test_submitting import SPEC, pointers, problem


@pytest.fixture
def ada(api, address):
    token = api.post("/v1/keys", json={"owner": "ada", "role": "member"}).json()["key"]
    with client(address, token) as ada:
        yield ada


def busy_worker(database, job: str) -> None:
    with database.transaction() as session:
        run = session.scalars(select(Run).where(Run.job_id == job)).one()
        facts = WorkerFacts("w1", "node", "host", 42, ["cpu", "big"], "cpu", 2**30)
        workers.register(session, facts)
        workers.report(session, "w1", WorkerState.BUSY, run.id, why=None)


def test_the_job_of_a_worker_is_hidden_from_other_owners(api, ada, database):
    job = api.post("/v1/jobs", json=SPEC).json()["id"]
    busy_worker(database, job)
    (seen,) = api.get("/v1/workers").json()["workers"]
    assert (seen["id"], seen["pools"], seen["state"]) == ("w1", ["cpu", "big"], "busy")
    assert (seen["job_id"], seen["run"]) == (job, "trial-1/ticket")
    assert 0 <= seen["heartbeat_seconds"] < 60
    (hidden,) = ada.get("/v1/workers").json()["workers"]
    assert (hidden["job_id"], hidden["run"]) == (None, None)


def test_owners_see_only_themselves_and_administrators_set_quotas(api, ada):
    ada.post("/v1/jobs", json=SPEC)
    (mine,) = ada.get("/v1/owners").json()["owners"]
    assert (mine["name"], mine["unfinished_jobs"]) == ("ada", 1)
    assert [owner["name"] for owner in api.get("/v1/owners").json()["owners"]] == ["ada", "admin"]
    quota = {"weight": 2.5, "max_queued": 1}
    problem(ada.put("/v1/owners/ada/quota", json=quota), 403, "forbidden")
    changed = api.put("/v1/owners/ada/quota", json=quota).json()["quota"]
    assert changed == {
        "weight": 2.5, "max_queued": 1, "max_running": None, "max_stored_bytes": None
    }  # fmt: skip
    problem(ada.post("/v1/jobs", json=SPEC), 429, "quota-exceeded")
    problem(api.put("/v1/owners/nobody/quota", json={}), 404, "not-found")
    wrong = {"weight": 0, "max_running": -1, "x": 1}
    document = problem(api.put("/v1/owners/ada/quota", json=wrong), 422, "invalid")
    assert pointers(document) == {"/weight", "/max_running", "/x"}


def test_a_quota_is_replaced_as_a_whole(api, ada):
    path = "/v1/owners/ada/quota"
    api.put(path, json={"weight": 2.5, "max_queued": 1, "max_stored_bytes": 10})
    changed = api.put(path, json={"max_running": 3}).json()["quota"]
    assert changed == {
        "weight": 1.0, "max_queued": None, "max_running": 3, "max_stored_bytes": None
    }  # fmt: skip
    (mine,) = ada.get("/v1/owners").json()["owners"]
    assert mine["quota"] == changed


def metric(text: str, name: str) -> float:
    return float(next(line for line in text.splitlines() if line.startswith(name)).split()[-1])


def test_metrics_agree_with_the_rows(api, database):
    first = api.post("/v1/jobs", json=SPEC).json()["id"]
    api.post("/v1/jobs", json=SESSION)
    busy_worker(database, first)
    with database.transaction() as session:
        session.execute(
            update(Run)
            .where(Run.job_id == first)
            .values(state=RunState.FAILED, failure_reason=Reason.DIVERGED, seconds=12.5)
        )
    text = api.get("/metrics").text
    assert metric(text, 'lth_queue_depth{pool="cpu"}') == 1
    assert metric(text, 'lth_runs{state="blocked"}') == 2
    assert metric(text, 'lth_failed_runs{reason="diverged"}') == 1
    assert metric(text, 'lth_failed_runs{reason="timeout"}') == 0
    assert metric(text, 'lth_workers{state="busy"}') == 1
    assert metric(text, "lth_worker_seconds_total") == 12.5
    assert metric(text, 'lth_queue_oldest_seconds{pool="cpu"}') >= 0
    route = 'lth_http_request_seconds_count{method="POST",route="/v1/jobs",status="202"}'
    assert metric(text, route) >= 2


def test_metrics_count_unknown_paths_under_one_label(api):
    api.get("/nobody/knows/this")
    text = api.get("/metrics").text
    assert "nobody" not in text
    assert metric(text, 'lth_http_request_seconds_count{method="GET",route="unknown"') >= 1


def test_the_log_of_a_run_is_served(api, database, settings):
    job = api.post("/v1/jobs", json=SPEC).json()["id"]
    path = f"/v1/jobs/{job}/runs/trial-1/ticket/log"
    response = api.get(path)
    assert (response.status_code, response.text) == (200, "")
    blob = Blobs(settings.object_store_url).put("level 0 …\n".encode())
    with database.transaction() as session:
        session.execute(insert(StoredBlob).values(digest=blob.digest, size=blob.size))
        session.execute(update(Run).where(Run.job_id == job).values(log_digest=blob.digest))
    response = api.get(path)
    assert response.text == "level 0 …\n"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    problem(api.get(f"/v1/jobs/{job}/runs/trial-9/x/log"), 404, "not-found")


def test_a_failed_run_shows_its_failure(api, database):
    job = api.post("/v1/jobs", json=SPEC).json()["id"]
    with database.transaction() as session:
        session.execute(
            update(Run)
            .where(Run.job_id == job)
            .values(
                state=RunState.FAILED,
                failure_reason=Reason.OUT_OF_MEMORY,
                failure_message="the device has no room; take smaller batches",
                log_tail="boom",
            )
        )
    (run,) = api.get(f"/v1/jobs/{job}/runs").json()["runs"]
    assert run["failure"] == {
        "run": "trial-1/ticket",
        "reason": "out_of_memory",
        "message": "the device has no room; take smaller batches",
        "log_tail": "boom",
    }


def result(trial: int, accuracy: float) -> dict:
    scores = {"loss": 0.1, "accuracy": accuracy, "top5": None}
    at = {"iteration": 10, "validation": scores, "test": scores}
    level = {
        "level": 0,
        "density": 1.0,
        "sparsity": 0.0,
        "layers": [],
        "history": {
            name: []
            for name in (
                "iterations",
                "train_loss",
                "train_accuracy",
                "validation_loss",
                "validation_accuracy",
            )
        },
        "early_stop": at,
        "final": at,
        "untrained": None,
        "seconds": 1.0,
        "samples_per_second": 1_000.0,
    }
    return {
        "experiment": "ticket",
        "trial": trial,
        "seed": trial,
        "levels": [level],
        "trunk_reused": False,
        "environment": {"device": "cpu", "xla": False, "versions": {}},
        "seconds": 1.0,
    }


@pytest.fixture
def robust(api, database) -> str:
    """A job with two trials that both have a result."""
    spec = {"kind": "robust", "trials": 2, "experiments": [{"name": "ticket"}]}
    job = api.post("/v1/jobs", json=spec).json()["id"]
    with database.transaction() as session:
        runs = session.scalars(select(Run).where(Run.job_id == job, Run.experiment == "ticket"))
        for run in runs:
            document = result(run.trial, 0.9 + run.trial / 100)
            session.add(Result(run_id=run.id, job_id=job, document=document))
    return job


def test_results_are_in_the_order_of_the_plan(api, robust):
    found = api.get(f"/v1/jobs/{robust}/results").json()["results"]
    assert [one["run"] for one in found] == ["trial-1/ticket", "trial-2/ticket"]
    assert found[1]["result"]["levels"][0]["final"]["test"]["accuracy"] == pytest.approx(0.92)


def test_the_summary_covers_all_trials(api, robust):
    document = api.get(f"/v1/jobs/{robust}/summary").json()
    assert document["trials"] == 2
    (experiment,) = document["summary"]["experiments"]
    assert experiment["trials"] == [1, 2]
    assert json.dumps(experiment).count("0.915") >= 1


def test_a_job_without_a_result_has_an_empty_summary(api):
    job = api.post("/v1/jobs", json=SPEC).json()["id"]
    document = api.get(f"/v1/jobs/{job}/summary").json()
    assert document["trials"] == 0
    assert document["summary"]["experiments"] == document["summary"]["comparisons"] == []
    assert document["summary"]["coverage"]["complete"] is False


def test_an_estimate_uses_measured_speeds(api, database, robust):
    with database.transaction() as session:
        session.execute(update(Run).values(finished_at=func.now()))
    spec = {"kind": "model", "seed": 9}
    estimate = api.post("/v1/jobs", params={"validate_only": True}, json=spec).json()["estimate"]
    assert (estimate["basis"], estimate["measured_runs"]) == ("same_network", 2)
    assert estimate["samples_per_second"] == 1_000
    least, most = estimate["device_range"]
    assert least <= estimate["device_seconds"] <= most
    assert least <= estimate["samples"] / 1_000
    elsewhere = {**spec, "pool": "gpu"}
    estimate = api.post("/v1/jobs", params={"validate_only": True}, json=elsewhere).json()[
        "estimate"
    ]
    assert estimate["basis"] == "nothing_measured"
