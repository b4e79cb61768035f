"""The end of an attempt: success, failure, cancellation, release, or loss.

One transaction writes everything: the result, artifacts, dependent runs, the state of the job, and
the usage of the owner. It requires that the lease is held.

Before its end, a run publishes its finished levels. A run that does not succeed keeps them.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from lth.core.sizes import size_text
from lth.results.schemas import RunResult
from service.settings import Settings
from service.store.accounts import owners
from service.store.blobs.object_store import Blob
from service.store.jobs import budgets
from service.store.jobs.events import EventKind, New
from service.store.jobs.job_state import update_job_state
from service.store.runs import dependents, trunks
from service.store.runs.leases import Lease, held
from service.store.states import Reason, RunState
from service.store.tables import Artifact, Job, Result, Run, Worker


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a run whose bytes are in the object store."""

    name: str
    blob: Blob
    media_type: str


@dataclass(frozen=True, slots=True)
class Success:
    """The outcome of a run; all of its bytes are in the object store."""

    result: RunResult | None
    artifacts: Sequence[Kept]
    trunk_key: str | None = None
    trunk: Blob | None = None
    log: Blob | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed, for people and for programs."""

    reason: Reason
    message: str
    log: Blob | None = None
    log_tail: str | None = None


def publish(session: Session, lease: Lease, result: RunResult, artifacts: Sequence[Kept]) -> None:
    """Store the finished levels of a run that goes on, in place of those published before.

    Args:
        session: a transaction that has checked the lease, as `leases.save_checkpoint` does.
        lease: the lease of the run.
        result: the result up to its last finished level.
        artifacts: all files of these levels.
    """
    _store_result(session, lease, result)
    _store_artifacts(session, lease, artifacts)
    _raise_best_accuracy(session, lease, result)


def succeed(session: Session, lease: Lease, success: Success, settings: Settings) -> list[str]:
    """Commit the only result of a run.

    Returns:
        The pools in which dependent runs can start now.

    Raises:
        LeaseLost: if the run belongs to another attempt; then nothing is written.
    """
    log = success.log.digest if success.log else None
    values = {"state": RunState.SUCCEEDED, "log_digest": log, "checkpoint_digest": None}
    spent = _end(session, lease, settings, **values)
    if success.result is not None:
        _store_result(session, lease, success.result)
    if success.artifacts:
        _store_artifacts(session, lease, success.artifacts)
    if success.result is not None:
        _raise_best_accuracy(session, lease, success.result)
    if success.trunk_key and success.trunk:
        trunks.save(session, success.trunk_key, success.trunk.digest)
    released = dependents.release(session, lease.run_id)
    happened = [New(EventKind.RUN_SUCCEEDED, lease.key, {"attempt": lease.attempt}), *spent]
    update_job_state(
        session, lease.job_id, [*happened, *(New(EventKind.RUN_QUEUED, r.key) for r in released)]
    )
    return [run.pool for run in released]


def fail(session: Session, lease: Lease, failure: Failure, settings: Settings) -> None:
    """End a run without a result, and cancel the runs that need it.

    Raises:
        LeaseLost: if the run belongs to another attempt.
    """
    spent = _end(
        session,
        lease,
        settings,
        state=RunState.FAILED,
        failure_reason=failure.reason,
        failure_message=failure.message,
        log_digest=failure.log.digest if failure.log else None,
        log_tail=failure.log_tail,
    )
    _update_job_and_dependents(session, lease, [_failed(lease, failure), *spent], "failed")


def cancelled(session: Session, lease: Lease, settings: Settings, log: Blob | None = None) -> None:
    """End a cancelled run; its checkpoint is kept for a retry.

    Raises:
        LeaseLost: if the run belongs to another attempt.
    """
    spent = _end(
        session,
        lease,
        settings,
        state=RunState.CANCELLED,
        failure_reason=Reason.CANCELLED,
        failure_message="cancelled on request",
        log_digest=log.digest if log else None,
    )
    happened = New(EventKind.RUN_CANCELLED, lease.key, {"attempt": lease.attempt})
    _update_job_and_dependents(session, lease, [happened, *spent], "was cancelled")


def give_back(session: Session, lease: Lease, settings: Settings, why: str) -> None:
    """Return a run to the queue; another worker will continue from its checkpoint.

    Raises:
        LeaseLost: if the run belongs to another attempt.
    """
    _requeue(session, lease, settings, why, losses=0)


def lose(
    session: Session,
    lease: Lease,
    settings: Settings,
    why: str,
    *,
    skip_locked: bool = False,
    out_of_memory: bool = False,
) -> RunState:
    """Record the loss of a run's worker: queue the run again, unless it happened too often.

    After a kill for memory, the run is queued once, and a larger worker takes it if there is one.

    Args:
        session: the transaction.
        lease: the lease of the run.
        settings: they say how often a run may lose its worker.
        why: why the worker is known to be lost; None if its lease expired.
        skip_locked: whether to give up at once if another transaction locks the run.
        out_of_memory: whether the kernel killed the worker because memory ran out.

    Raises:
        LeaseLost: if the run belongs to another attempt, or is locked and skipped.
    """
    row = session.execute(
        select(Run.losses, Run.cancel_requested, Run.killed_with_memory, Run.memory)
        .where(*held(lease))
        .with_for_update(key_share=True, skip_locked=skip_locked)
    ).one_or_none()
    if row is None:
        raise lease.lost
    if row.cancel_requested:
        cancelled(session, lease, settings)
        return RunState.CANCELLED
    killed_before = out_of_memory and row.killed_with_memory is not None
    if row.losses + 1 < settings.max_losses and not killed_before:
        values = {"killed_with_memory": _memory_of_worker()} if out_of_memory else {}
        _requeue(session, lease, settings, why, losses=1, **values)
        return RunState.QUEUED
    failure = _killed(why, row.memory) if out_of_memory else _lost(why, row.losses + 1)
    session.execute(update(Run).where(*held(lease)).values(losses=Run.losses + 1))
    fail(session, lease, failure, settings)
    return RunState.FAILED


def _lost(why: str, losses: int) -> Failure:
    return Failure(
        Reason.WORKER_LOST,
        f"its worker was lost {losses} times, at last because {why}; look at the log of the "
        "worker, and at the memory of its machine",
    )


def _killed(why: str, memory: int | None) -> Failure:
    estimate = "" if memory is None else f"; the estimate was {size_text(memory)}"
    return Failure(
        Reason.OUT_OF_MEMORY,
        f"{why}{estimate}; try a smaller batch or network, or a pool whose workers have more "
        "memory",
    )


def _memory_of_worker() -> ColumnElement[int]:
    """Registered memory of the worker of a run; 0 if unknown."""
    found = select(Worker.memory_total).where(Worker.id == Run.worker_id)
    return func.coalesce(found.correlate(Run).scalar_subquery(), 0)


def expired(session: Session, limit: int = 100) -> list[Lease]:
    """Leases that have expired, oldest first."""
    query = select(Run.id, Run.job_id, Run.key, Run.attempt).where(
        Run.state == RunState.RUNNING, Run.lease_expires_at < func.now()
    )
    rows = session.execute(query.order_by(Run.lease_expires_at).limit(limit))
    return [Lease(*row) for row in rows]


def held_by(session: Session, worker_ids: Sequence[str]) -> list[Lease]:
    """The leases that these workers hold."""
    query = select(Run.id, Run.job_id, Run.key, Run.attempt).where(
        Run.state == RunState.RUNNING, Run.worker_id.in_(worker_ids)
    )
    return [Lease(*row) for row in session.execute(query)]


def _end(session: Session, lease: Lease, settings: Settings, **values: Any) -> list[New]:
    """Move a run out of `running`, if it belongs to this attempt, and add its device time.

    Returns:
        Events of queued runs, if this spent the rest of the job's budget.
    """
    took = func.extract("epoch", func.clock_timestamp() - Run.started_at)
    finished = None if values["state"] is RunState.QUEUED else func.clock_timestamp()
    row = session.execute(
        update(Run)
        .where(*held(lease))
        .values(
            **values,
            lease_expires_at=None,
            finished_at=finished,
            seconds=Run.seconds + took,
        )
        .returning(Run.owner, took)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if row is None:
        raise lease.lost
    owners.count_usage(session, row[0], float(row[1]), settings.usage_half_life_seconds)
    return budgets.end_waiting(session, lease.job_id)


def _requeue(
    session: Session, lease: Lease, settings: Settings, why: str, losses: int, **values: Any
) -> None:
    spent = _end(
        session,
        lease,
        settings,
        state=RunState.QUEUED,
        losses=Run.losses + losses,
        worker_id=None,
        queued_at=func.clock_timestamp(),
        **values,
    )
    happened = New(EventKind.RUN_REQUEUED, lease.key, {"attempt": lease.attempt, "why": why})
    update_job_state(session, lease.job_id, [happened, *spent])


def _update_job_and_dependents(
    session: Session, lease: Lease, happened: list[New], what: str
) -> None:
    dropped = dependents.cancel(session, lease.run_id, f"it needs '{lease.key}', which {what}")
    update_job_state(
        session,
        lease.job_id,
        [*happened, *(New(EventKind.RUN_CANCELLED, key, {"needs": lease.key}) for key in dropped)],
    )


def _failed(lease: Lease, failure: Failure) -> New:
    data = {"attempt": lease.attempt, "reason": failure.reason, "message": failure.message}
    return New(EventKind.RUN_FAILED, lease.key, data)


def _store_result(session: Session, lease: Lease, result: RunResult) -> None:
    """Store the result of a run, in place of a partial one."""
    written = {"document": result.model_dump(mode="json"), "partial": result.partial}
    session.execute(
        insert(Result)
        .values(run_id=lease.run_id, job_id=lease.job_id, **written)
        .on_conflict_do_update(index_elements=["run_id"], set_=written)
    )


def _raise_best_accuracy(session: Session, lease: Lease, result: RunResult) -> None:
    """Update the best accuracy of the job. This locks the job, so it comes after the files."""
    accuracies = [level.early_stop.test.accuracy for level in result.levels]
    if not accuracies:
        return
    best = max(accuracies)
    lower = Job.best_accuracy.is_(None) | (Job.best_accuracy < best)
    session.execute(
        update(Job)
        .where(Job.id == lease.job_id, lower)
        .values(best_accuracy=best)
        .execution_options(synchronize_session=False)
    )


def _store_artifacts(session: Session, lease: Lease, artifacts: Sequence[Kept]) -> None:
    """Store the files of a run, in place of those that it has."""
    files = [_artifact(lease, kept) for kept in artifacts]
    old = (Artifact.run_id == lease.run_id, Artifact.name.not_in([file["name"] for file in files]))
    session.execute(delete(Artifact).where(*old))
    if not files:
        return
    new = insert(Artifact)
    changed = {column: new.excluded[column] for column in ("digest", "size")}
    differs = Artifact.digest != new.excluded.digest
    keys = ["job_id", "name"]
    session.execute(
        new.on_conflict_do_update(index_elements=keys, set_=changed, where=differs), files
    )


def _artifact(lease: Lease, kept: Kept) -> dict[str, str | int | uuid.UUID]:
    return {
        "job_id": lease.job_id,
        "name": f"{lease.key}/{kept.name}",
        "run_id": lease.run_id,
        "digest": kept.blob.digest,
        "media_type": kept.media_type,
        "size": kept.blob.size,
    }
