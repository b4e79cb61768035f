"""The observer of a run: stores its progress and checkpoints, and delivers orders to stop."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any, BinaryIO

from sqlalchemy.exc import IntegrityError

from lth.core.errors import Stopped
from lth.core.sizes import size_text
from lth.engine.observer import Outcome, Progress, Publisher, TrainedLevel
from lth.results.artifacts import Artifact
from service.settings import Settings
from service.store.blobs import deletion, saving
from service.store.blobs.object_store import Blob, Blobs, StorageFailed
from service.store.database import UNAVAILABLE, Database
from service.store.errors import LeaseLost
from service.store.jobs.events import EventKind, New
from service.store.runs import finishing, leases
from service.store.runs.finishing import Kept
from service.store.runs.leases import Lease
from worker.run.logs import RunLog

_PROGRESS_SECONDS, _SLOW_PROGRESS_SECONDS, _LONG_ATTEMPT_SECONDS = 0.5, 5.0, 1800.0
"""Seconds between writes of the progress: `_PROGRESS_SECONDS` at the start of an attempt,
`_SLOW_PROGRESS_SECONDS` after `_LONG_ATTEMPT_SECONDS`. Otherwise weeks of progress would fill the
database. Evaluations have their own interval."""
_COST, _SHARE = 0.02, 50
"""Levels are published so seldom that it takes at most 1 / `_SHARE` of the time. The first time is
expected to take `_COST` seconds."""

log = logging.getLogger(__name__)


class Order(StrEnum):
    """Why a run was ordered to stop."""

    CANCEL = "cancel"
    DRAIN = "drain"
    TIMEOUT = "timeout"
    JOB_TIMEOUT = "timeout of the job"
    LEASE_LOST = "lease lost"


class RunObserver(Publisher):
    """Observes one attempt at a run: stores its progress, finished levels and checkpoints.

    A finished level is stored in the same transaction as a checkpoint that has it. So no attempt
    trains it again, and its results do not change.

    If the database or the object store is unavailable, progress and checkpoints are skipped, and
    the run goes on. Only an order to stop raises, after a last checkpoint.

    Attributes:
        seen: when the run last called this observer, on the monotonic clock.
        output: the log of the run, which is stored with each checkpoint.
    """

    output: RunLog | None = None

    def __init__(
        self,
        lease: Lease,
        settings: Settings,
        database: Database,
        blobs: Blobs,
        draining: threading.Event,
        max_seconds: float,
        checkpoint_digest: str | None = None,
    ) -> None:
        self.lease = lease
        self._checkpoint_digest = checkpoint_digest
        self.deadline = time.monotonic() + max_seconds
        self.order: Order | None = None
        self._settings = settings
        self._database = database
        self._blobs = blobs
        self._draining = draining
        self._drain_deadline: float | None = None
        self._began = self.seen = time.monotonic()
        self._progress_at = 0.0
        self._evaluation_at = 0.0
        self._saved_at = time.monotonic()
        self._unpublished: Outcome | None = None
        self._publishing_seconds = _COST

    def progress(self, progress: Progress) -> None:
        """Store the progress."""
        now = self.seen = time.monotonic()
        if progress.validation:
            self.say(str(progress))
        told = self._evaluation_at if progress.validation else self._progress_at
        if now - told >= _pause(now - self._began):
            self._write_progress(progress)
            self._progress_at = now
            if progress.validation:
                self._evaluation_at = now
        self.check_time_limits()
        if self.order is Order.LEASE_LOST:
            self.obey()

    def level_finished(self, level: TrainedLevel) -> None:
        """Tell watchers of the level, and log it."""
        self.say(str(level))
        result = level.result
        data = {
            "level": result.level,
            "density": result.density,
            "early_stop_iteration": result.early_stop.iteration,
            "early_stop_test_accuracy": result.early_stop.test.accuracy,
            "final_test_accuracy": result.final.test.accuracy,
            "seconds": result.seconds,
        }
        self._tell(New(EventKind.LEVEL_FINISHED, self.lease.key, data))

    def say(self, text: str) -> None:
        """Add a line to the log of the run."""
        if self.output is not None:
            self.output.say(text)

    def publish(self, outcome: Outcome) -> None:
        """Store the finished levels with the next checkpoint."""
        self._unpublished = outcome

    def forget(self) -> None:
        """Release the levels that were not stored; they refer to the data set."""
        self._unpublished = None

    def checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        """Save a checkpoint if it is due, or the run is ordered to stop."""
        self.seen = time.monotonic()
        if self._draining.is_set():
            self.give(Order.DRAIN)
        if self.order is Order.LEASE_LOST:
            self.obey()
        unsaved = time.monotonic() - self._saved_at
        due = self._settings.checkpoint_seconds
        if self._unpublished is not None:
            due = min(due, self._publishing_seconds * _SHARE)
        if self.order is not None or unsaved >= due:
            self._save_checkpoint(content)
        self.obey()

    def needs_no_checkpoint(self) -> None:
        """Delete the last checkpoint, because the run has its result."""
        if self._checkpoint_digest is not None:
            self._delete_checkpoint(self._checkpoint_digest)

    def check_time_limits(self) -> None:
        """Order the run to stop if its time limit, or its grace time after a drain, is over."""
        now = time.monotonic()
        if now > self.deadline:
            self.give(Order.TIMEOUT)
        if self._draining.is_set():
            if self._drain_deadline is None:
                self._drain_deadline = now + self._settings.drain_seconds
            if now > self._drain_deadline:
                self.give(Order.DRAIN)

    def give(self, order: Order) -> None:
        """Order the run to stop at its next checkpoint. The first order counts.

        If the lease is lost, nothing else counts.
        """
        self.order = order if order is Order.LEASE_LOST else self.order or order

    def obey(self) -> None:
        """Raise `lth.core.errors.Stopped` if the run was ordered to stop."""
        if self.order is not None:
            raise Stopped(f"the run '{self.lease.key}' was ordered to stop: {self.order}")

    def _write_progress(self, progress: Progress) -> None:
        data = _plain(progress)
        kind = EventKind.EVALUATION if progress.validation else EventKind.PROGRESS
        self._tell(New(kind, self.lease.key, data), data)

    def _tell(self, news: New, progress: dict[str, Any] | None = None) -> None:
        """Write an event and the progress, and renew the lease."""
        try:
            with self._database.transaction() as session:
                if leases.tell(session, self.lease, self._settings.lease, progress, [news]):
                    self.give(Order.CANCEL)
        except LeaseLost:
            self.give(Order.LEASE_LOST)
        except UNAVAILABLE as error:
            log.warning("progress could not be written: %s", error)

    def _save_checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        began = time.monotonic()
        try:
            file = content()
        except OSError as error:
            log.warning("a checkpoint could not be written to a temporary file: %s", error)
        else:
            size = self._store_checkpoint(file)
            self._publishing_seconds = time.monotonic() - began
            if size is not None:
                took = f"{self._publishing_seconds:.3f} s"
                self.say(f"saved a checkpoint of {size_text(size)} in {took}")

    def _store_checkpoint(self, content: BinaryIO) -> int | None:
        """Save blobs first, and then all rows in one transaction.

        Returns:
            The size of the checkpoint in bytes; None if it could not be saved.
        """
        outcome = self._unpublished
        try:
            blob = saving.save_file(self._database, self._blobs, content)
            output = self._save_log()
            files = [] if outcome is None else self.save_artifacts(outcome.artifacts)
            with self._database.transaction() as session:
                leases.save_checkpoint(session, self.lease, blob.digest, output and output.digest)
                if outcome is not None and outcome.result is not None:
                    finishing.publish(session, self.lease, outcome.result, files)
        except LeaseLost:
            self.give(Order.LEASE_LOST)
            return None
        except (*UNAVAILABLE, IntegrityError, StorageFailed) as error:
            log.warning("a checkpoint could not be saved: %s", error)
            return None
        self._unpublished = None
        self._saved_at = time.monotonic()
        previous, self._checkpoint_digest = self._checkpoint_digest, blob.digest
        if previous is not None and previous != blob.digest:
            self._delete_checkpoint(previous)
        return blob.size

    def save_artifacts(self, artifacts: Sequence[Artifact]) -> list[Kept]:
        """Save the contents of files as blobs."""
        contents = (artifact.content() for artifact in artifacts)
        blobs = saving.save_all(self._database, self._blobs, contents)
        return [Kept(a.name, b, a.media_type) for a, b in zip(artifacts, blobs, strict=True)]

    def _save_log(self) -> Blob | None:
        if self.output is None:
            return None
        return saving.save(self._database, self._blobs, self.output.content())

    def _delete_checkpoint(self, digest: str) -> None:
        try:
            with self._database.transaction() as session:
                deletion.discard(session, self._blobs, digest)
        except (*UNAVAILABLE, StorageFailed) as error:
            log.warning(
                "an old checkpoint could not be deleted; the housekeeping deletes it later: %s",
                error,
            )


def _pause(age: float) -> float:
    """Seconds between writes of the progress, for an attempt of this age."""
    return max(_PROGRESS_SECONDS, min(1.0, age / _LONG_ATTEMPT_SECONDS) * _SLOW_PROGRESS_SECONDS)


def _plain(progress: Progress) -> dict[str, Any]:
    validation = progress.validation
    return {
        **asdict(progress),
        "validation": validation.model_dump(mode="json") if validation else None,
    }
