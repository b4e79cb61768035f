"""A plan says what is no error, but may be a mistake."""

import pytest

from service.store.database import Database
from service.store.tables import WorkerState
from service.store.workers import workers
from service.store.workers.workers import WorkerFacts

MNIST = {"kind": "model", "dataset": "mnist"}


def report(
    database: Database,
    name: str,
    datasets: list[str] | None,
    pool: str = "cpu",
    state: WorkerState = WorkerState.IDLE,
) -> None:
    """Register a worker that has the files of some data sets."""
    facts = WorkerFacts(id=name, node="host/1", host="host", pid=1, pools=[pool], device="cpu")
    with database.transaction() as session:
        workers.register(session, facts)
        workers.report(session, name, state, datasets=datasets)


def remarks(api, spec=MNIST, **options) -> list[str]:
    answer = api.post("/v1/jobs", params={"validate_only": True}, json={**spec, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()["remarks"]


def test_a_data_set_that_no_worker_of_the_pool_has_is_reported(api, database):
    report(database, "a", [])
    report(database, "b", ["cifar10"])
    report(database, "c", ["mnist"], pool="gpu")
    (remark,) = remarks(api)
    assert remark.startswith("no worker of the pool 'cpu' has the data set 'mnist'")
    assert "mnist.npz" in remark
    assert "LTH_DATASETS_DIR" in remark
    assert remarks(api, pool="gpu") == []


def test_a_file_that_arrives_later_is_noticed(api, database):
    report(database, "a", [])
    assert len(remarks(api)) == 1
    report(database, "a", ["mnist"])
    assert remarks(api) == []
    with database.transaction() as session:
        workers.report(session, "a", WorkerState.REFUSING, why="full")
    assert remarks(api) == [], "a report without data sets keeps those of the last one"


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_nothing_is_said_about_files_that_are_there_or_not_needed(api, database, dataset):
    report(database, "a", ["mnist"])
    assert remarks(api, {"kind": "model", "dataset": dataset}) == []


def test_nothing_is_said_if_nothing_is_known(api, database):
    assert remarks(api) == [], "no worker"
    report(database, "old", None)
    assert remarks(api) == [], "a worker of an earlier version"
    report(database, "gone", [], state=WorkerState.LOST)
    assert remarks(api) == [], "a lost worker"
