"""The list of data sets that a spec names by their kind."""

import httpx
import pytest

from lth.spec.document import parse_spec
from service.store.database import Database
from service.store.tables import WorkerState
from service.store.workers import workers
from service.store.workers.workers import WorkerFacts


def named(api: httpx.Client) -> dict[str, dict]:
    return {one["kind"]: one for one in api.get("/v1/datasets").json()["named"]}


@pytest.fixture
def report(database: Database):
    """Registers a worker that reports the files of these data sets."""

    def said(name: str, pool: str, *datasets: str) -> None:
        facts = WorkerFacts(name, name, "host", 1, (pool,), "cpu")
        with database.transaction() as session:
            workers.register(session, facts)
            workers.report(session, name, WorkerState.IDLE, datasets=datasets)

    return said


def test_they_are_described_as_a_spec_sees_them(api: httpx.Client) -> None:
    found = named(api)
    assert list(found) == ["digits", "mnist", "fashion_mnist", "cifar10", "cifar100"]
    for kind, one in found.items():
        facts = parse_spec({"kind": "model", "dataset": kind}).dataset.facts
        assert tuple(one["shape"]) == facts.shape
        assert (one["classes"], one["train"], one["test"]) == (
            facts.classes,
            facts.train,
            facts.test,
        )
    assert found["digits"]["source"] == "built-in"
    assert found["mnist"]["source"] == "file"
    assert "70,000 handwritten digits" in found["mnist"]["description"]


def test_they_are_available_if_a_live_worker_has_them(
    api: httpx.Client, report, database: Database
) -> None:
    found = named(api)
    assert (found["digits"]["available"], found["mnist"]["available"]) == (True, None)
    report("one", "cpu", "mnist")
    report("two", "gpu", "mnist", "cifar10")
    found = named(api)
    assert (found["mnist"]["available"], found["mnist"]["pools"]) == (True, ["cpu", "gpu"])
    assert (found["cifar10"]["available"], found["cifar10"]["pools"]) == (True, ["gpu"])
    assert (found["cifar100"]["available"], found["cifar100"]["pools"]) == (False, [])
    assert (found["digits"]["available"], found["digits"]["pools"]) == (True, [])
    with database.transaction() as session:
        workers.report(session, "two", WorkerState.LOST)
    found = named(api)
    assert (found["mnist"]["pools"], found["cifar10"]["available"]) == (["cpu"], False)


def test_only_the_first_page_has_them(api: httpx.Client) -> None:
    listed = api.get("/v1/datasets", params={"digest": "0" * 64}).json()
    assert listed == {"named": [], "datasets": [], "cursor": None}
