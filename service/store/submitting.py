"""Submitting a job: one transaction writes it, its planned runs, and the idempotency record."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

import sqlalchemy
from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from lth.plan import PlannedRun
from lth.spec import Spec, spec_hash
from service.settings import Settings
from service.store import jobs, owners
from service.store.errors import IdempotencyMismatch, QuotaExceeded
from service.store.events import EventKind
from service.store.ids import job_id, uuid7
from service.store.settling import rank_delay
from service.store.states import FINISHED_JOB, JobState, RunState
from service.store.tables import Event, IdempotentRequest, Job, Owner, Run, RunNeed, Table


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's word that this request is the same as another one with this key."""

    key: str
    body_hash: str
    """SHA-256 (hex) of the request's body."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is submitted, by whom, and how it is to be carried out.

    Attributes:
        priority: 0 to 100; orders the jobs of one owner, and ages.
        pool: the workers it may run on; None for the default pool.
        max_seconds: bound on each run; None for the server's bound.
        dataset_id: the uploaded data set that the spec names, if it does.
    """

    owner: str
    spec: Spec
    runs: Sequence[PlannedRun]
    priority: int = 50
    pool: str | None = None
    max_seconds: int | None = None
    dataset_id: str | None = None
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The job, and whether this request made it or an earlier one with its idempotency key."""

    job: Job
    created: bool


def submit(session: Session, submission: Submission, settings: Settings) -> Submitted:
    """Write a job, so that after the commit it cannot be lost.

    Raises:
        IdempotencyMismatch: when the key was used for another body.
        QuotaExceeded: when the owner has as many unfinished jobs, or stores as much, as they may.
    """
    most = _bounds(session, submission.owner)
    name = job_id()
    earlier = _earlier(session, submission, name, settings)
    if earlier is not None:
        return Submitted(jobs.get(session, earlier), created=False)
    if most.queued is not None:
        _check_quota(session, submission.owner, most.queued)
    if most.stored_bytes is not None:
        owners.check_room(session, submission.owner)
    job = _job(name, submission, settings)
    session.add(job)
    session.flush()
    # Rows that nobody looks at here are written past the ORM, in half the time.
    connection = session.connection()
    connection.execute(insert(_table(Run)), _runs(job, submission, settings))
    _add_needs(session, job, submission.runs)
    # Its first event: nobody can be watching yet, and no other transaction sees the job.
    queued = {"job_id": name, "number": job.events, "kind": EventKind.JOB_QUEUED}
    connection.execute(insert(_table(Event)), {**queued, "data": {"runs": job.runs_total}})
    return Submitted(job, created=True)


def reusable(session: Session, owner: str, digest: str) -> Job | None:
    """The owner's newest succeeded job with this spec hash, if there is one."""
    return session.scalar(
        select(Job)
        .where(Job.owner == owner, Job.spec_hash == digest, Job.state == JobState.SUCCEEDED)
        .order_by(Job.id.desc())
        .limit(1)
    )


def _earlier(session: Session, submission: Submission, name: str, settings: Settings) -> str | None:
    """The job that this idempotency key made before; claims the key for `name` if there is none."""
    asked = submission.idempotency
    if asked is None:
        return None
    mine = (IdempotentRequest.owner == submission.owner, IdempotentRequest.key == asked.key)
    forgotten = func.now() - timedelta(hours=settings.idempotency_hours)
    claimed = _claim(session, submission.owner, asked, name)
    if not claimed:
        stale = delete(IdempotentRequest).where(*mine, IdempotentRequest.created_at < forgotten)
        deleted = session.scalar(stale.returning(IdempotentRequest.key)) is not None
        claimed = deleted and _claim(session, submission.owner, asked, name)
    if claimed:
        return None
    record = session.scalars(select(IdempotentRequest).where(*mine)).one()
    if record.body_hash != asked.body_hash:
        raise IdempotencyMismatch(
            f"the idempotency key '{asked.key}' was used for another request, which made the job "
            f"'{record.job_id}'; use a new key for a new request"
        )
    return record.job_id


def _claim(session: Session, owner: str, asked: Idempotency, name: str) -> bool:
    """Enter an idempotency key for a job, if it is not taken."""
    claimed = session.scalar(
        upsert(IdempotentRequest)
        .values(owner=owner, key=asked.key, body_hash=asked.body_hash, job_id=name)
        .on_conflict_do_nothing()
        .returning(IdempotentRequest.job_id)
    )
    return claimed is not None


class _Bounds(NamedTuple):
    queued: int | None = None
    stored_bytes: int | None = None


def _bounds(session: Session, name: str) -> _Bounds:
    """What an owner may have; the owner is made if there is none."""
    bounds = select(Owner.max_queued, Owner.max_stored_bytes).where(Owner.name == name)
    found = session.execute(bounds).first()
    if found is None:
        session.execute(upsert(Owner).values(name=name).on_conflict_do_nothing())
        return _Bounds()
    return _Bounds(*found)


def _table(kind: type[Table]) -> sqlalchemy.Table:
    return cast(sqlalchemy.Table, kind.__table__)


def _check_quota(session: Session, owner: str, most: int) -> None:
    session.execute(select(Owner.name).where(Owner.name == owner).with_for_update(key_share=True))
    count = session.scalar(
        select(func.count())
        .select_from(Job)
        .where(Job.owner == owner, Job.state.not_in(FINISHED_JOB))
    )
    if count is not None and count >= most:
        raise QuotaExceeded(
            f"'{owner}' has {count} unfinished jobs, and may have {most}; "
            "wait for some of them to end, or cancel some"
        )


def _job(name: str, submission: Submission, settings: Settings) -> Job:
    spec = submission.spec
    return Job(
        id=name,
        owner=submission.owner,
        name=spec.name,
        kind=spec.kind,
        spec=spec.model_dump(mode="json"),
        spec_hash=spec_hash(spec),
        labels=spec.labels,
        priority=submission.priority,
        pool=submission.pool or settings.default_pool,
        max_seconds=submission.max_seconds,
        dataset_id=submission.dataset_id,
        state=JobState.QUEUED,
        runs_total=len(submission.runs),
        events=1,
        created_at=datetime.now(UTC),
    )


def _runs(job: Job, submission: Submission, settings: Settings) -> list[dict[str, object]]:
    rank = job.created_at - rank_delay(job.priority, settings.ageing_seconds)
    most = min(job.max_seconds or settings.max_run_seconds, settings.max_run_seconds)
    return [
        {
            "id": uuid7(),
            "job_id": job.id,
            "key": run.key,
            "position": position,
            "kind": run.kind,
            "trial": run.trial,
            "seed": run.seed,
            "experiment": run.experiment,
            "trunk": run.trunk,
            "owner": job.owner,
            "pool": job.pool,
            "rank": rank,
            "max_seconds": most,
            "state": RunState.BLOCKED if run.needs else RunState.QUEUED,
            "waiting_for": len(run.needs),
            "queued_at": None if run.needs else job.created_at,
        }
        for position, run in enumerate(submission.runs)
    ]


def _add_needs(session: Session, job: Job, planned: Sequence[PlannedRun]) -> None:
    if not any(run.needs for run in planned):
        return
    rows = session.execute(select(Run.key, Run.id).where(Run.job_id == job.id))
    ids: dict[str, uuid.UUID] = {row.key: row.id for row in rows}
    needs = [
        {"run_id": ids[run.key], "needs_id": ids[needed]} for run in planned for needed in run.needs
    ]
    session.execute(insert(RunNeed), needs)
