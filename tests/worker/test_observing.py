"""What an observer tells of a run, and how often."""

import threading
from collections import Counter

import pytest

from lth.errors import Stopped
from lth.plan import plan
from lth.results import Scores
from lth.running import Progress
from lth.spec import parse_spec
from service.settings import Settings
from service.store import claiming, commands, events, jobs, submitting
from service.store.audit import Actor
from service.store.blobs import Blobs
from service.store.database import Database
from service.store.submitting import Submission
from worker.observing import Order, RunObserver, _pause


@pytest.fixture
def database(database_url: str):
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def observer(database: Database, object_store_url: str) -> RunObserver:
    spec = parse_spec({"kind": "model"})
    settings = Settings()
    submitting.submit(database, Submission(Actor("ann"), spec, plan(spec)), settings)
    with database.transaction() as session:
        claimed = claiming.claim(session, "w", ["cpu"], settings)
    assert claimed is not None
    blobs = Blobs(object_store_url)
    return RunObserver(claimed.lease, settings, database, blobs, threading.Event(), 60.0)


def at(level: int, iteration: int, *, evaluated: bool = False) -> Progress:
    scores = Scores(loss=1.0, accuracy=0.5) if evaluated else None
    return Progress(level, 3, iteration, 100, 1e3, scores)


def told(database: Database, observer: RunObserver) -> Counter[str]:
    with database.transaction() as session:
        return Counter(e.kind for e in events.since(session, observer.lease.job_id))


def test_quick_progress_is_told_once_but_an_evaluation_all_the_same(
    database: Database, observer: RunObserver
) -> None:
    for iteration in range(20):
        observer.progress(at(0, iteration))
    observer.progress(at(0, 20, evaluated=True))
    observer.progress(at(0, 21, evaluated=True))

    assert told(database, observer)["progress"] == 1
    assert told(database, observer)["evaluation"] == 1


def test_progress_of_a_long_run_is_told_more_seldom() -> None:
    assert [_pause(age) for age in (0, 60, 180, 900, 1800, 1e6)] == [0.5, 0.5, 0.5, 2.5, 5, 5]


def test_end_of_a_level_is_always_told(database: Database, observer: RunObserver) -> None:
    for level in range(3):
        observer.progress(at(level, 1))

    assert told(database, observer)["level_finished"] == 2


def test_cancel_comes_back_with_the_next_progress_that_is_told(
    database: Database, observer: RunObserver
) -> None:
    observer.progress(at(0, 1))
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, observer.lease.job_id))

    with pytest.raises(Stopped):
        observer.progress(at(1, 1))
    assert observer.order is Order.CANCEL
    with pytest.raises(Stopped):
        observer.checkpoint(bytes)
