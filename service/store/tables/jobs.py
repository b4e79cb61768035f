"""Jobs, their runs, and what the runs left: results, events, artifacts, trunks."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from lth.spec.plan import RunKind
from service.store.states import JobState, Reason, RunState
from service.store.tables.base import Now, Sorted, Table, words


class Job(Table):
    """What a client submitted."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(Sorted, primary_key=True)
    owner: Mapped[str] = mapped_column(ForeignKey("owners.name"))
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(String(16))
    spec: Mapped[dict[str, Any]]
    spec_hash: Mapped[str] = mapped_column(String(64))
    labels: Mapped[dict[str, str]]
    priority: Mapped[int] = mapped_column(SmallInteger)
    pool: Mapped[str]
    max_seconds: Mapped[int | None]
    """Bound on what its runs take on devices, together and over all attempts."""
    seconds_before_retry: Mapped[float] = mapped_column(default=0.0, server_default="0")
    """What they had taken when it was retried last: a retry has `max_seconds` of its own."""
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"), index=True)

    state: Mapped[JobState] = mapped_column(words(JobState))
    runs_total: Mapped[int]
    runs_finished: Mapped[int] = mapped_column(default=0)
    events: Mapped[int] = mapped_column(default=0)
    """Number of its last event."""
    failure: Mapped[dict[str, Any] | None]
    """Of the run that failed first: ``run``, ``reason``, ``message``."""
    created_at: Mapped[Now]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_jobs_owner_id", "owner", "id"),
        Index("ix_jobs_state_id", "state", "id"),
        Index("ix_jobs_owner_state_id", "owner", "state", "id"),
        Index("ix_jobs_labels", "labels", postgresql_using="gin",
              postgresql_ops={"labels": "jsonb_path_ops"}),
        Index("ix_jobs_owner_spec_hash", "owner", "spec_hash"),
        Index("ix_jobs_finished_at", "finished_at",
              postgresql_where=text("finished_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "80"}},
    )  # fmt: skip


class Run(Table):
    """The unit that a worker claims."""

    __tablename__ = "runs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(Sorted, ForeignKey("jobs.id", ondelete="CASCADE"))
    key: Mapped[str]
    position: Mapped[int]
    """In the job's plan; what a run needs stands before it."""
    kind: Mapped[RunKind] = mapped_column(words(RunKind))
    trial: Mapped[int]
    seed: Mapped[int] = mapped_column(BigInteger)
    experiment: Mapped[str | None]
    trunk: Mapped[str] = mapped_column(String(64))

    owner: Mapped[str]
    """Of the job, as are pool and rank; here because the claim reads nothing else."""
    pool: Mapped[str]
    rank: Mapped[datetime]
    """When the job would have been submitted to stand where it does with priority 0: a point of
    priority is worth some minutes of waiting. It does not change with time, so it is indexed."""
    max_seconds: Mapped[int]
    """Bound on this run, over all its attempts."""

    state: Mapped[RunState] = mapped_column(words(RunState))
    waiting_for: Mapped[int]
    """How many of the runs it needs have not succeeded."""
    attempt: Mapped[int] = mapped_column(default=0)
    """Counts claims; the fencing token of every write by a worker."""
    losses: Mapped[int] = mapped_column(default=0)
    """How often its worker was lost."""
    worker_id: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)

    checkpoint_digest: Mapped[str | None] = mapped_column(ForeignKey("blobs.digest"), index=True)
    log_digest: Mapped[str | None] = mapped_column(ForeignKey("blobs.digest"), index=True)
    progress: Mapped[dict[str, Any] | None]
    failure_reason: Mapped[Reason | None] = mapped_column(words(Reason))
    failure_message: Mapped[str | None]
    log_tail: Mapped[str | None]

    queued_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    """Of the last attempt."""
    finished_at: Mapped[datetime | None]
    seconds: Mapped[float] = mapped_column(default=0.0)
    """On a device, over all attempts."""

    __table_args__ = (
        Index("uq_runs_job_id_key", "job_id", "key", unique=True),
        Index("ix_runs_claim", "pool", "owner", "rank", "position", "id",
              postgresql_where=text("state = 'queued'")),
        Index("ix_runs_blocked", "pool", postgresql_where=text("state = 'blocked'")),
        Index("ix_runs_trained", "trunk", postgresql_where=text("state = 'succeeded'")),
        Index("ix_runs_lease", "lease_expires_at", postgresql_where=text("state = 'running'")),
        Index("ix_runs_pool_finished_at", "pool", "finished_at",
              postgresql_where=text("finished_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "80"}},
    )  # fmt: skip


class RunNeed(Table):
    """A run needs another one of its job to have succeeded."""

    __tablename__ = "run_needs"

    run_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    needs_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Result(Table):
    """What an experiment found out: a `lth.results.schemas.RunResult`. At most one a run."""

    __tablename__ = "results"

    run_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    job_id: Mapped[str] = mapped_column(
        Sorted, ForeignKey("jobs.id", ondelete="CASCADE"), index=True
    )
    document: Mapped[dict[str, Any]]
    created_at: Mapped[Now]


class Event(Table):
    """Something that happened to a job, numbered from 1 without gaps."""

    __tablename__ = "events"

    job_id: Mapped[str] = mapped_column(
        Sorted, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    run: Mapped[str | None]
    """The key of the run it happened to."""
    data: Mapped[dict[str, Any]]
    at: Mapped[Now]


class Artifact(Table):
    """A file that a run left behind. Its name in the job is ``{run key}/{name of the file}``.

    What shows a job as a whole has no run, and a name of its own (`lth.results.artifacts.JOB`).
    """

    __tablename__ = "artifacts"

    job_id: Mapped[str] = mapped_column(
        Sorted, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), index=True
    )
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Now]


class Trunk(Table):
    """A dense training that is done, kept for whoever needs the same one."""

    __tablename__ = "trunks"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    created_at: Mapped[Now]
    used_at: Mapped[Now]
