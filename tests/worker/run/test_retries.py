"""Inputs and ends of runs are retried while a part is unavailable."""

import uuid
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from service.settings import Settings
from service.store.blobs.object_store import StorageFailed
from service.store.errors import LeaseLost
from service.store.runs.leases import Lease
from worker.child.child import Child
from worker.run.observer import Order, RunObserver
from worker.run.retries import with_retries

LEASE = Lease(uuid.uuid4(), "job_1", "trial-1/ticket", 1)
COLLECTED = IntegrityError("a blob is gone", None, Exception())


class Commit:
    """Fails so often, then does what it should."""

    def __init__(self, error: Exception, failures: int) -> None:
        self.error = error
        self.failures = failures
        self.tried = 0

    def __call__(self) -> str:
        self.tried += 1
        if self.tried <= self.failures:
            raise self.error
        return "written"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited for, on a clock that goes on by nothing else."""
    waited: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(waited), sleep=waited.append)
    monkeypatch.setattr("worker.run.retries.time", clock)
    return waited


def tried(commit: Commit, seconds: float = 60.0, order: Order | None = None) -> str:
    child = SimpleNamespace(settings=Settings(commit_retry_seconds=seconds))
    observer = SimpleNamespace(order=order, lease=LEASE)
    return with_retries(cast(Child, child), cast(RunObserver, observer), commit)


@pytest.mark.parametrize(
    "error", [OperationalError("away", None, Exception()), StorageFailed("away"), COLLECTED]
)
def test_a_commit_is_retried_until_it_succeeds(error: Exception) -> None:
    commit = Commit(error, failures=3)
    assert tried(commit) == "written"
    assert commit.tried == 4


def test_retries_end_and_their_pauses_grow_up_to_a_limit(pauses: list[float]) -> None:
    with pytest.raises(StorageFailed):
        tried(Commit(StorageFailed("away"), failures=1_000), seconds=60.0)
    assert pauses[:8] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert 55.0 < sum(pauses) <= 60.0


def test_a_run_with_a_lost_lease_does_not_retry() -> None:
    commit = Commit(StorageFailed("away"), failures=1_000)
    with pytest.raises(LeaseLost, match="attempt 1 no longer holds the run 'trial-1/ticket'"):
        tried(commit, order=Order.LEASE_LOST)
    assert commit.tried == 1


def test_permanent_errors_are_not_retried() -> None:
    commit = Commit(ValueError("a defect"), failures=1_000)
    with pytest.raises(ValueError, match="a defect"):
        tried(commit)
    assert commit.tried == 1


def test_a_run_that_retries_its_commit_is_not_stalled(
    pauses: list[float],
) -> None:
    observer = SimpleNamespace(order=None, lease=LEASE, seen=0.0)
    child = SimpleNamespace(settings=Settings())
    with_retries(cast(Child, child), cast(RunObserver, observer), Commit(StorageFailed("away"), 9))
    assert observer.seen == sum(pauses) > 10
