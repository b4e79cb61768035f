"""A job whose runs need too much memory is refused at submission, and the estimate is reported."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from sqlalchemy import update

from lth.core.sizes import size_text
from lth.spec.document import parse_spec
from lth.spec.memory import estimate_memory
from service.api.jobs import run_memory
from service.settings import Settings
from service.store.database import Database
from service.store.tables import Run, Worker
from service.store.workers import workers
from service.store.workers.workers import WorkerFacts
from tests.lth.wide import GIB, WIDE
from tests.service.api.conftest import ADMIN, client, serving
from tests.service.api.test_submitting import SPEC, pointers, problem

WIDE_NEEDS = size_text(estimate_memory(parse_spec(WIDE)).total)


def register(database: Database, memory: int | None, *pools: str) -> str:
    """Register a worker with this memory."""
    facts = WorkerFacts(
        uuid4().hex, "host/1", "host", 1, pools or ("cpu",), "cpu", memory_total=memory
    )
    with database.transaction() as session:
        workers.register(session, facts)
    return facts.id


def test_a_run_that_fits_no_registered_worker_is_refused(api, database):
    register(database, 4 * GIB)
    register(database, 12 * GIB, "cpu", "big")

    document = problem(api.post("/v1/jobs", json=WIDE), 422, "invalid")

    (wrong,) = document["errors"]
    assert wrong["pointer"] == "/network/layers/0"
    assert f"needs {WIDE_NEEDS}" in wrong["detail"]
    assert "the largest worker of pool 'cpu' has 12 GiB" in wrong["detail"]
    assert "the largest batch_size that fits is" in wrong["detail"]
    assert api.post("/v1/jobs", json=SPEC).status_code == 202


def test_a_larger_worker_that_registers_later_is_noticed(api, database):
    register(database, 4 * GIB)
    problem(api.post("/v1/jobs", json=WIDE), 422, "invalid")
    register(database, 400 * GIB)
    assert api.post("/v1/jobs", json=WIDE).status_code == 202


@pytest.mark.parametrize("memory", [(), (None,), (4 * GIB, None)])
def test_a_run_is_accepted_if_no_worker_or_one_of_unknown_memory_serves_its_pool(
    api, database, memory
):
    register(database, GIB, "another")
    for one in memory:
        register(database, one)
    assert api.post("/v1/jobs", json=WIDE).status_code == 202


def test_a_configured_limit_counts_instead_of_the_workers(settings: Settings, database):
    register(database, 4 * GIB)
    for most, status in ((500 * GIB, 202), (12 * GIB, 422)):
        limits = settings.limits.model_copy(update={"max_run_memory": most})
        changed = settings.model_copy(update={"limits": limits})
        with serving(changed) as address, client(address, ADMIN) as api:
            answer = api.post("/v1/jobs", json=WIDE)
            assert answer.status_code == status
    assert "at most 12 GiB are allowed" in answer.json()["errors"][0]["detail"]


def test_the_limit_is_a_setting(monkeypatch):
    monkeypatch.setenv("LTH_LIMITS__MAX_RUN_MEMORY", "5")
    limits = Settings().limits
    assert (limits.max_run_memory, limits.max_layers) == (5, 64)


def test_too_much_memory_is_reported_together_with_wrong_options(api, database):
    register(database, 4 * GIB)
    answer = api.post("/v1/jobs", json={**WIDE, "webhook": "http://there.test/"})
    assert pointers(problem(answer, 422, "invalid")) == {"/webhook", "/network/layers/0"}


def test_a_repeated_request_returns_its_job_after_the_largest_worker_left(
    api, database, monkeypatch
):
    monkeypatch.setattr(run_memory, "_UNLIMITED_SECONDS", 0)
    key = {"Idempotency-Key": "the-same"}
    first = api.post("/v1/jobs", json=WIDE, headers=key).json()["id"]
    register(database, 4 * GIB)
    again = api.post("/v1/jobs", json=WIDE, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, first)
    problem(api.post("/v1/jobs", json=WIDE, headers={"Idempotency-Key": "new"}), 422, "invalid")


def test_the_plan_reports_the_memory_and_its_parts(api, database, monkeypatch):
    monkeypatch.setattr(run_memory, "_UNLIMITED_SECONDS", 0)
    plan = api.post("/v1/jobs", params={"validate_only": True}, json=WIDE).json()

    estimate = estimate_memory(parse_spec(WIDE))
    memory = plan["memory"]
    assert memory.pop("total") == estimate.total
    assert memory == {name: getattr(estimate, name) for name in memory}
    assert memory["layer"] == "layer 0 (conv2d)"
    register(database, 4 * GIB)
    answer = api.post("/v1/jobs", params={"validate_only": True}, json=WIDE)
    assert pointers(problem(answer, 422, "invalid")) == {"/network/layers/0"}


def test_a_waiting_job_explains_that_no_worker_has_enough_memory(api, database):
    job = api.post("/v1/jobs", json=WIDE).json()["id"]
    assert api.get(f"/v1/jobs/{job}").json()["waiting"]["reason"] == "no_workers"
    register(database, 4 * GIB)
    register(database, 12 * GIB)

    waiting = api.get(f"/v1/jobs/{job}").json()["waiting"]

    assert waiting["reason"] == "memory"
    assert waiting["detail"] == (f"needs {WIDE_NEEDS}; the largest worker of pool 'cpu' has 12 GiB")
    assert waiting["estimated_start"] is None


def test_only_workers_with_enough_memory_count_as_free(api, database):
    job = api.post("/v1/jobs", json=WIDE).json()["id"]
    register(database, 4 * GIB)
    large = register(database, 400 * GIB)
    assert api.get(f"/v1/jobs/{job}").json()["waiting"]["reason"] == "starting"
    with database.transaction() as session:
        session.execute(update(Worker).where(Worker.id == large).values(state="busy"))
    waiting = api.get(f"/v1/jobs/{job}").json()["waiting"]
    assert waiting["reason"] == "workers_busy"
    assert "all 1 workers" in waiting["detail"]


def test_a_run_shows_its_estimate_and_one_of_an_older_version_has_none(api, database):
    job = api.post("/v1/jobs", json=WIDE).json()["id"]
    (run,) = api.get(f"/v1/jobs/{job}/runs").json()["runs"]
    assert run["memory"] == estimate_memory(parse_spec(WIDE)).total

    with database.transaction() as session:
        session.execute(update(Run).values(memory=None))
    register(database, 1)
    (run,) = api.get(f"/v1/jobs/{job}/runs").json()["runs"]
    assert run["memory"] is None
    assert api.get(f"/v1/jobs/{job}").json()["waiting"]["reason"] == "starting"


def test_a_pool_without_workers_costs_one_query_a_second(settings, database, monkeypatch) -> None:
    """A query for each submission halved the submissions per second."""
    clock, asked = SimpleNamespace(now=100.0), []
    monkeypatch.setattr(run_memory.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(run_memory.workers, "largest", lambda _, pool: asked.append(pool))
    memory = run_memory.RunMemory(settings, database)
    for now in (100.0, 100.5, 101.5):
        clock.now = now
        memory.check(parse_spec(WIDE), "cpu")
    assert asked == ["cpu", "cpu"]
