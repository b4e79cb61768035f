"""A run ends correctly and soon if a part is unavailable or broken."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from service.store.blobs.object_store import StorageFailed
from service.store.jobs import commands, jobs
from service.store.states import Reason, RunState
from service.store.tables import Run, Trunk
from tests.worker.gpus import TWO
from tests.worker.steps import claim, failing_first, runs, submit
from worker.child.child import Child
from worker.process.loop import work
from worker.run import inputs
from worker.run.attempt import attempt


def refuse(*_: object, **__: object) -> Any:
    raise StorageFailed("the object store refuses to save")


def the_run(child: Child, job_id: str) -> Run:
    (run,) = runs(child, job_id).values()
    return run


def cancel(child: Child, job_id: str) -> None:
    with child.database.transaction() as session:
        commands.cancel(session, jobs.get(session, job_id))


def test_a_failure_is_stored_without_log_while_the_object_store_is_unavailable(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(child, labels={"fail": "bug"})
    monkeypatch.setattr(child.blobs, "put", refuse)
    attempt(child, claim(child))
    run = the_run(child, job_id)
    assert (run.state, run.failure_reason) == (RunState.FAILED, Reason.INTERNAL)
    assert (run.log_digest, "KeyError" in (run.failure_message or "")) == (None, True)


def test_a_cancel_works_while_the_object_store_is_unavailable(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(child)
    claimed = claim(child)
    cancel(child, job_id)
    monkeypatch.setattr(child.blobs, "put", refuse)
    attempt(child, claimed)
    assert the_run(child, job_id).state is RunState.CANCELLED


def test_a_run_is_requeued_if_its_checkpoint_cannot_be_saved(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(child)
    claimed = claim(child)
    child.draining.set()
    monkeypatch.setattr(child.blobs, "put", refuse)
    attempt(child, claimed)
    run = the_run(child, job_id)
    assert (run.state, run.losses) == (RunState.QUEUED, 0)


def test_reading_inputs_is_retried(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = submit(child)
    away = [OperationalError("away", None, OSError()), StorageFailed("away")]
    monkeypatch.setattr(inputs, "gather", failing_first(away, inputs.gather))
    attempt(child, claim(child))
    assert the_run(child, job_id).state is RunState.SUCCEEDED


def test_a_run_can_be_stopped_while_it_retries_reading_inputs(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(child)
    claimed = claim(child)
    cancel(child, job_id)
    monkeypatch.setattr(inputs, "gather", refuse)
    attempt(child, claimed)
    assert the_run(child, job_id).state is RunState.CANCELLED


def test_a_trunk_without_its_blob_is_trained_again(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own run, and not by each that needs it."""
    executed: list[tuple[str, bool]] = []
    execute = child.execution.execute

    def look(spec: Any, run: Any, given: Any, observer: Any) -> Any:
        executed.append((run.key, given.trunk is not None))
        return execute(spec, run, given, observer)

    monkeypatch.setattr(child.execution, "execute", look)
    spec = {"experiments": [{"name": "a"}], "seed": 5}
    for name in ("first", "second"):
        submit(child, "session", **spec, name=name)
        assert work(child) == 2
    assert executed == [("trial-1/trunk", False), ("trial-1/a", True), ("trial-1/a", True)]

    with child.database.transaction() as session:
        digest = session.scalars(select(Trunk.digest)).one()
    child.blobs.delete(digest)
    submit(child, "session", **spec, name="third")
    assert work(child) == 2
    assert executed[3:] == [("trial-1/trunk", False), ("trial-1/a", True)]


def test_a_broken_gpu_gets_a_new_process_and_a_working_gpu_does_not(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str | None] = [None]
    monkeypatch.setattr(child.execution, "gpu_trouble", lambda *, compute: said[-1])
    child.gpu, child.used_device = TWO[0], True
    blamed = submit(child, labels={"fail": "bug"})
    attempt(child, claim(child))
    assert the_run(child, blamed).state is RunState.FAILED
    assert not child.must_be_replaced.is_set()

    lost = submit(child, labels={"fail": "bug"}, seed=2)
    claimed = claim(child)
    said.append("it is lost")
    attempt(child, claimed)
    run = the_run(child, lost)
    assert (run.state, run.losses) == (RunState.QUEUED, 1)
    assert child.must_be_replaced.is_set()
    assert child.refusal() == "it is lost"
