"""The observer limits writes of the progress, saves checkpoints, and stops the run."""

import threading
from collections import Counter
from io import BytesIO, FileIO
from itertools import pairwise
from types import SimpleNamespace
from typing import BinaryIO, NoReturn

import pytest
from sqlalchemy import update

from lth.core import disk_arrays
from lth.core.errors import Stopped
from lth.engine.observer import Outcome, Progress, TrainedLevel
from lth.results.schemas import Scores
from lth.spec.document import parse_spec
from lth.spec.plan import plan
from service.settings import Settings
from service.store.accounts.audit import Actor
from service.store.blobs.object_store import Blob, Blobs, StorageFailed
from service.store.database import Database
from service.store.jobs import commands, events, jobs, submitting
from service.store.jobs.submitting import Submission
from service.store.runs import claims, finishing
from service.store.tables import Run
from tests.lth.plots import made_up
from worker.run.observer import Order, RunObserver, _pause


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
        claimed = claims.claim(session, "w", ["cpu"], settings)
    assert claimed is not None
    blobs = Blobs(object_store_url)
    return RunObserver(claimed.lease, settings, database, blobs, threading.Event(), 600.0)


def at(level: int, iteration: int, *, evaluated: bool = False) -> Progress:
    scores = Scores(loss=1.0, accuracy=0.5) if evaluated else None
    return Progress(level, 3, iteration, 100, 1e3, scores)


def told(database: Database, observer: RunObserver) -> Counter[str]:
    with database.transaction() as session:
        return Counter(e.kind for e in events.since(session, observer.lease.job_id))


def test_frequent_progress_is_written_once_but_evaluations_are_not_skipped(
    database: Database, clock: SimpleNamespace, observer: RunObserver
) -> None:
    for iteration in range(20):
        observer.progress(at(0, iteration))
    observer.progress(at(0, 20, evaluated=True))
    observer.progress(at(0, 21, evaluated=True))

    assert told(database, observer)["progress"] == 1
    assert told(database, observer)["evaluation"] == 1


def test_progress_of_a_long_run_is_written_less_often() -> None:
    assert [_pause(age) for age in (0, 60, 180, 900, 1800, 1e6)] == [0.5, 0.5, 0.5, 2.5, 5, 5]


def test_the_end_of_a_level_is_always_written(database: Database, observer: RunObserver) -> None:
    for level in made_up.run((1.0, 0.5, 0.2)).levels:
        observer.level_finished(TrainedLevel(level, {}, {}))

    assert told(database, observer)["level_finished"] == 3


def test_a_cancel_is_received_with_the_next_written_progress(
    database: Database, observer: RunObserver
) -> None:
    observer.progress(at(0, 1))
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, observer.lease.job_id))

    observer.progress(at(0, 2, evaluated=True))
    assert observer.order is Order.CANCEL
    with pytest.raises(Stopped):
        observer.checkpoint(BytesIO)


@pytest.mark.parametrize("order", [each for each in Order if each is not Order.LEASE_LOST])
def test_a_run_that_is_ordered_to_stop_saves_a_checkpoint_first(
    database: Database, observer: RunObserver, order: Order
) -> None:
    observer.give(order)
    observer.progress(at(0, 7))
    with pytest.raises(Stopped):
        observer.checkpoint(lambda: BytesIO(b"seven steps"))
    assert checkpoint_of(database, observer) == Blob.of(b"seven steps").digest


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The observer's clock, which stands still unless it is set."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("worker.run.observer.time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def refuse(*_: object) -> NoReturn:
    raise StorageFailed("the object store refuses")


def checkpoint_of(database: Database, observer: RunObserver) -> str | None:
    with database.transaction() as session:
        return session.get_one(Run, observer.lease.run_id).checkpoint_digest


def test_every_call_updates_the_time_of_the_last_call(
    clock: SimpleNamespace, observer: RunObserver
) -> None:
    """Without them a run of more than an hour would be taken for one that hangs."""
    clock.now += 7
    observer.progress(at(0, 1))
    assert observer.seen == clock.now
    clock.now += 7
    observer.checkpoint(BytesIO)
    assert observer.seen == clock.now


def test_checkpoints_are_saved_at_intervals(clock: SimpleNamespace, observer: RunObserver) -> None:
    saved: list[float] = []

    def go_on(seconds: float, iteration: int) -> None:
        clock.now += seconds
        observer.progress(at(0, iteration))
        observer.checkpoint(lambda: saved.append(clock.now) or BytesIO(str(clock.now).encode()))

    go_on(179, 10)
    go_on(1, 20)
    go_on(20, 50)
    go_on(159, 60)
    go_on(1, 60)
    assert saved == [280.0, 460.0]


def test_levels_are_published_so_seldom_that_it_takes_two_per_cent_of_the_time(
    clock: SimpleNamespace, observer: RunObserver
) -> None:
    saved: list[float] = []

    def save() -> BytesIO:
        saved.append(clock.now)
        clock.now += 0.1
        return BytesIO(str(clock.now).encode())

    for _ in range(100):
        clock.now += 0.5
        observer.publish(Outcome(None, ()))
        observer.checkpoint(save)
    pauses = [later - earlier for earlier, later in pairwise(saved)]
    assert saved[0] == 101.0
    assert min(pauses) >= 5.0
    assert max(pauses) < 6.0


def test_a_draining_run_saves_a_checkpoint_at_once_and_stops(
    database: Database, clock: SimpleNamespace, observer: RunObserver
) -> None:
    observer.progress(at(0, 1))
    observer._draining.set()
    observer.progress(at(0, 2))
    with pytest.raises(Stopped):
        observer.checkpoint(lambda: BytesIO(b"half a level"))
    assert observer.order is Order.DRAIN
    assert checkpoint_of(database, observer) == Blob.of(b"half a level").digest


def test_a_draining_run_without_checkpoints_stops_after_its_grace_time(
    clock: SimpleNamespace, observer: RunObserver
) -> None:
    observer._draining.set()
    for _ in range(2):
        observer.progress(at(0, 1))
        clock.now += Settings().drain_seconds
    clock.now += 1
    observer.progress(at(0, 1))
    assert observer.order is Order.DRAIN


def test_the_first_order_to_stop_counts(observer: RunObserver) -> None:
    observer.give(Order.CANCEL)
    observer.give(Order.TIMEOUT)
    assert observer.order is Order.CANCEL


def test_a_checkpoint_that_cannot_be_saved_does_not_fail_the_run(
    database: Database,
    observer: RunObserver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as away:
        away.setattr(observer._blobs, "put_file", refuse)
        observer._store_checkpoint(BytesIO(b"one"))
    with monkeypatch.context() as collected:
        collected.setattr("worker.run.observer.saving.save_file", lambda *_: Blob.of(b"of no row"))
        observer._store_checkpoint(BytesIO(b"two"))
    assert caplog.text.count("a checkpoint could not be saved") == 2
    assert checkpoint_of(database, observer) is None


def test_a_full_disk_for_a_checkpoint_does_not_fail_the_run(
    database: Database,
    observer: RunObserver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def write() -> BinaryIO:
        file = disk_arrays.TemporaryFile()
        file.write(bytes(1 << 20))
        return file

    observer.progress(at(0, 1))
    observer._saved_at -= observer._settings.checkpoint_seconds
    with monkeypatch.context() as full:
        full.setattr(disk_arrays.tempfile, "TemporaryFile", lambda **_: FileIO("/dev/full", "r+"))
        observer.checkpoint(write)
    assert "a checkpoint could not be written to a temporary file" in caplog.text
    assert checkpoint_of(database, observer) is None
    observer.checkpoint(write)
    assert checkpoint_of(database, observer) == Blob.of(bytes(1 << 20)).digest


def test_a_failed_deletion_is_not_logged_as_a_failed_save(
    database: Database,
    observer: RunObserver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(observer._blobs, "delete", refuse)
    observer._store_checkpoint(BytesIO(b"one"))
    observer._store_checkpoint(BytesIO(b"two"))
    assert checkpoint_of(database, observer) == Blob.of(b"two").digest
    with database.transaction() as session:
        session.execute(update(Run).values(checkpoint_digest=None))
    observer.needs_no_checkpoint()
    assert "could not be saved" not in caplog.text
    assert caplog.text.count("the housekeeping deletes it later") == 2


def test_progress_that_cannot_be_written_does_not_fail_the_run(
    observer: RunObserver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = Database("postgresql://lth@127.0.0.1:1/lth")
    monkeypatch.setattr(observer, "_database", away)
    observer.progress(at(0, 1))
    away.close()
    assert "progress could not be written" in caplog.text


@pytest.mark.parametrize("write", ["progress", "checkpoint"])
def test_every_write_reports_a_lost_lease(
    database: Database, observer: RunObserver, write: str
) -> None:
    with database.transaction() as session:
        finishing.give_back(session, observer.lease, Settings(), "its worker sent no heartbeat")
    observer._draining.set()
    with pytest.raises(Stopped):
        observer.progress(at(0, 1)) if write == "progress" else observer.checkpoint(BytesIO)
    assert observer.order is Order.LEASE_LOST
