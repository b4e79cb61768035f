"""Submits a job: one transaction writes the job, its runs and the idempotency record.

Usually one statement does all of this. If the owner or its home team has a quota, or the
idempotency key was used before, the statement writes nothing, and the same is done step by step.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from lth.spec.document import Spec, spec_hash
from lth.spec.memory import estimate_memory
from lth.spec.plan import PlannedRun
from lth.spec.titles import dataset_name, network_name
from service.settings import Settings
from service.store import ids
from service.store.accounts import audit, owners
from service.store.accounts.audit import Actor
from service.store.accounts.viewers import Viewer, visible_parts
from service.store.database import Database
from service.store.errors import IdempotencyMismatch
from service.store.ids import job_id, uuid7
from service.store.jobs import jobs
from service.store.jobs.events import EventKind
from service.store.jobs.job_state import rank_delay
from service.store.states import JobState, RunState
from service.store.tables import (
    AuditEntry,
    Event,
    IdempotentRequest,
    Job,
    Run,
    RunNeed,
    Webhook,
)
from service.store.writing import Moments, Row, Rows, write

_UNBOUNDED = """
    FROM owners WHERE name = :owner AND max_queued IS NULL AND max_stored_bytes IS NULL
    AND NOT EXISTS (
        SELECT FROM team_members m JOIN teams t ON t.name = m.team
        WHERE m.owner = :owner AND m.home
        AND (t.max_queued IS NOT NULL OR t.max_stored_bytes IS NOT NULL)
    )
"""
_IF_UNBOUNDED = f"SELECT {_UNBOUNDED}"
_IF_KEY_IS_FREE = f"""
    INSERT INTO idempotency (owner, key, body_hash, job_id)
    SELECT name, :key, :body_hash, :job_id {_UNBOUNDED}
    ON CONFLICT DO NOTHING
    RETURNING true
"""
_MOMENTS: Moments = (
    (Job, "created_at", "now()"),
    (Run, "rank", "now() - CAST(:head_start AS interval)"),
    (Run, "queued_at", "CASE WHEN state = 'queued' THEN now() END"),
)
"""Columns that depend on the time of submission, by Postgres' clock."""


@dataclass(frozen=True, slots=True)
class Idempotency:
    """An idempotency key: the client's promise that requests with this key are the same."""

    key: str
    body_hash: str
    """SHA-256 (hex) of the request's body."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission.

    Attributes:
        by: the actor; the actor's owner will own the job.
        team: the team that will see the job; None if only the owner will.
        priority: 0 to 100; orders the jobs of one owner, and ages.
        pool: the pool of workers; None for the default pool.
        max_seconds: bound on the device seconds of the job; None for no bound.
        max_run_seconds: bound on the device seconds of each run; None for the server's bound.
        dataset_id: the uploaded data set in the spec, if any.
        webhook: an address to call when the job ends.
    """

    by: Actor
    spec: Spec
    runs: Sequence[PlannedRun]
    team: str | None = None
    priority: int = 50
    pool: str | None = None
    max_seconds: int | None = None
    max_run_seconds: int | None = None
    dataset_id: str | None = None
    webhook: str | None = None
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The job, and whether this request created it or an earlier one with its idempotency key."""

    job: Job
    created: bool


def submit(database: Database, submission: Submission, settings: Settings) -> Submitted:
    """Write a job. After the commit, it cannot be lost.

    Raises:
        IdempotencyMismatch: if the key was used for another body.
        QuotaExceeded: if the owner's quota has no room for another unfinished job.
    """
    job = _job(submission, settings)
    rows = _rows(job, submission, settings)
    head_start = {"head_start": rank_delay(submission.priority, settings.ageing_seconds)}
    with database.statement() as connection:
        now = _write_at_once(connection, job, rows, submission.idempotency, head_start)
    if now is None:
        with database.transaction() as session:
            owners.ensure(session, submission.by.owner)
            earlier = _earlier(session, job, submission.idempotency, settings)
            if earlier is not None:
                return Submitted(jobs.get(session, earlier), created=False)
            owners.check_room_for_a_job(session, submission.by.owner)
            now = write(session.connection(), rows, parameters=head_start, moments=_MOMENTS)
            assert now is not None, "this statement has no gate"
    ids.heard(now)
    return Submitted(Job(**job, created_at=now), created=True)


def _write_at_once(
    connection: Connection, job: Row, rows: Rows, asked: Idempotency | None, head_start: Row
) -> datetime | None:
    named: Row = {"owner": job["owner"], **head_start}
    if asked is None:
        return write(connection, rows, _IF_UNBOUNDED, named, _MOMENTS)
    named |= {"job_id": job["id"], **asdict(asked)}
    return write(connection, rows, _IF_KEY_IS_FREE, named, _MOMENTS)


def repeated(session: Session, owner: str, asked: Idempotency) -> bool:
    """Whether the same request, by idempotency key and body, was accepted before."""
    record = session.get(IdempotentRequest, (owner, asked.key))
    return record is not None and record.body_hash == asked.body_hash


def reusable(session: Session, viewer: Viewer, digest: str) -> Job | None:
    """The newest visible job with this spec hash that succeeded, the viewer's own ones first.

    Returns:
        None if there is none.
    """
    for part in visible_parts(viewer, Job):
        found = session.scalar(
            select(Job)
            .where(part, Job.spec_hash == digest, Job.state == JobState.SUCCEEDED)
            .order_by(Job.id.desc())
            .limit(1)
        )
        if found is not None:
            return found
    return None


def _earlier(
    session: Session, job: Row, asked: Idempotency | None, settings: Settings
) -> str | None:
    """The job that this idempotency key created; otherwise the key is stored for `job`."""
    if asked is None:
        return None
    new = upsert(IdempotentRequest).values(owner=job["owner"], job_id=job["id"], **asdict(asked))
    forgotten = IdempotentRequest.created_at < func.now() - timedelta(
        hours=settings.idempotency_hours
    )
    kept = {
        name: case((forgotten, new.excluded[name]), else_=getattr(IdempotentRequest, name))
        for name in ("body_hash", "job_id", "created_at")
    }
    record = session.execute(
        new.on_conflict_do_update(index_elements=["owner", "key"], set_=kept).returning(
            IdempotentRequest.body_hash, IdempotentRequest.job_id
        )
    ).one()
    if record.body_hash != asked.body_hash:
        raise IdempotencyMismatch(
            f"the idempotency key '{asked.key}' was used for another request, which made the job "
            f"'{record.job_id}'; use a new key for a new request"
        )
    return None if record.job_id == job["id"] else record.job_id


def _job(submission: Submission, settings: Settings) -> Row:
    spec = submission.spec
    return {
        "id": job_id(),
        "owner": submission.by.owner,
        "team": submission.team,
        "name": spec.name,
        "kind": spec.kind,
        "spec": spec.model_dump(mode="json"),
        "spec_hash": spec_hash(spec),
        "labels": spec.labels,
        "priority": submission.priority,
        "pool": submission.pool or settings.default_pool,
        "max_seconds": submission.max_seconds,
        "dataset_id": submission.dataset_id,
        "dataset": dataset_name(spec),
        "network": network_name(spec),
        "state": JobState.QUEUED,
        "runs_total": len(submission.runs),
        "runs_finished": 0,
        "events": 1,
    }


def _rows(job: Row, submission: Submission, settings: Settings) -> Rows:
    runs = _runs(job, submission, settings)
    hook = {"job_id": job["id"], "url": submission.webhook}
    return {
        Job: [job],
        Run: runs,
        RunNeed: _needs(runs, submission.runs),
        Event: [_first_event(job)],
        Webhook: [hook] if submission.webhook else [],
        AuditEntry: [audit.entry(submission.by, "job.submit", job["id"])],
    }


def _runs(job: Row, submission: Submission, settings: Settings) -> list[Row]:
    most = min(submission.max_run_seconds or settings.max_run_seconds, settings.max_run_seconds)
    memory = estimate_memory(submission.spec).total
    return [
        {
            "id": uuid7(),
            "job_id": job["id"],
            "key": run.key,
            "position": position,
            "kind": run.kind,
            "trial": run.trial,
            "seed": run.seed,
            "experiment": run.experiment,
            "trunk": run.trunk,
            "owner": job["owner"],
            "pool": job["pool"],
            "max_seconds": most,
            "memory": memory,
            "state": RunState.BLOCKED if run.needs else RunState.QUEUED,
            "waiting_for": len(run.needs),
            "attempt": 0,
            "losses": 0,
            "cancel_requested": False,
            "seconds": 0.0,
        }
        for position, run in enumerate(submission.runs)
    ]


def _needs(runs: Sequence[Row], planned: Sequence[PlannedRun]) -> list[Row]:
    ids = {run["key"]: run["id"] for run in runs}
    return [
        {"run_id": ids[run.key], "needs_id": ids[needed]} for run in planned for needed in run.needs
    ]


def _first_event(job: Row) -> Row:
    """The first event. It needs no lock and no notification, because the job is not visible."""
    data = {"runs": job["runs_total"]}
    return {
        "job_id": job["id"],
        "number": job["events"],
        "kind": EventKind.JOB_QUEUED,
        "data": data,
    }
