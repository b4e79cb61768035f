"""Jobs, their runs, and the results, events, artifacts and trunks of the runs."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from lth.spec.plan import RunKind
from service.store.states import JobState, Reason, RunState
from service.store.tables.base import Now, Sorted, Table, words


class Job(Table):
    """A job."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(Sorted, primary_key=True)
    owner: Mapped[str] = mapped_column(ForeignKey("owners.name"))
    team: Mapped[str | None] = mapped_column(ForeignKey("teams.name"))
    """The team that sees it; None if only its owner does."""
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(String(16))
    spec: Mapped[dict[str, Any]]
    spec_hash: Mapped[str] = mapped_column(String(64))
    labels: Mapped[dict[str, str]]
    priority: Mapped[int] = mapped_column(SmallInteger)
    pool: Mapped[str]
    max_seconds: Mapped[int | None]
    """Bound on the device seconds of its runs, over all attempts."""
    seconds_before_retry: Mapped[float] = mapped_column(default=0.0, server_default="0")
    """Device seconds before its last retry; a retry has `max_seconds` of its own."""
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"), index=True)

    dataset: Mapped[str | None]
    """Kind of its data set, or the id of an uploaded one."""
    network: Mapped[str | None]
    """Kind of its network."""
    best_accuracy: Mapped[float | None]
    """Highest test accuracy at an early stop, over all of its runs and finished levels."""

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
        Index("ix_jobs_name_id", "name", "id", postgresql_where=text("name <> ''")),
        Index("ix_jobs_owner_state_id", "owner", "state", "id"),
        Index("ix_jobs_team_id", "team", "id", postgresql_where=text("team IS NOT NULL")),
        Index("ix_jobs_team_state_id", "team", "state", "id",
              postgresql_where=text("team IS NOT NULL")),
        Index("ix_jobs_labels", "labels", postgresql_using="gin",
              postgresql_ops={"labels": "jsonb_path_ops"}),
        Index("ix_jobs_owner_spec_hash", "owner", "spec_hash"),
        Index("ix_jobs_finished_at", "finished_at",
              postgresql_where=text("finished_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "80"}},
    )  # fmt: skip


class Run(Table):
    """A run: the unit that a worker claims."""

    __tablename__ = "runs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(Sorted, ForeignKey("jobs.id", ondelete="CASCADE"))
    key: Mapped[str]
    position: Mapped[int]
    """Position in the plan; runs that it needs come before it."""
    kind: Mapped[RunKind] = mapped_column(words(RunKind))
    trial: Mapped[int]
    seed: Mapped[int] = mapped_column(BigInteger)
    experiment: Mapped[str | None]
    trunk: Mapped[str] = mapped_column(String(64))

    owner: Mapped[str]
    """Owner of the job; a copy, like pool and rank, because the claim reads only this table."""
    pool: Mapped[str]
    rank: Mapped[datetime]
    """The submission time that gives this place in the queue at priority 0: a point of priority is
    worth some minutes. It is constant, so it is indexed."""
    max_seconds: Mapped[int]
    """Bound on the device seconds of this run, over all attempts."""
    memory: Mapped[int | None] = mapped_column(BigInteger)
    """Estimated bytes that it needs; None, for a run of an older version, fits every worker."""

    state: Mapped[RunState] = mapped_column(words(RunState))
    waiting_for: Mapped[int]
    """Number of runs it needs that have not succeeded."""
    attempt: Mapped[int] = mapped_column(default=0)
    """Number of claims; the fencing token of all writes by workers."""
    losses: Mapped[int] = mapped_column(default=0)
    """How often its worker was lost."""
    killed_with_memory: Mapped[int | None] = mapped_column(BigInteger)
    """Memory of the worker on which the kernel killed it because memory ran out."""
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
    """Log of the last attempt."""
    finished_at: Mapped[datetime | None]
    seconds: Mapped[float] = mapped_column(default=0.0)
    """Device seconds, over all attempts."""

    __table_args__ = (
        Index("uq_runs_job_id_key", "job_id", "key", unique=True),
        Index("ix_runs_claim_memory", "pool", "owner", "rank", "position", "id",
              text("coalesce(memory, 0)"), postgresql_where=text("state = 'queued'")),
        Index("ix_runs_blocked", "pool", postgresql_where=text("state = 'blocked'")),
        Index("ix_runs_trained", "trunk", postgresql_where=text("state = 'succeeded'")),
        Index("ix_runs_lease", "lease_expires_at", postgresql_where=text("state = 'running'")),
        Index("ix_runs_pool_finished_at", "pool", "finished_at",
              postgresql_where=text("finished_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "80"}},
    )  # fmt: skip


class RunNeed(Table):
    """A run needs another run of its job."""

    __tablename__ = "run_needs"

    run_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    needs_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Result(Table):
    """The result of an experiment: a `lth.results.schemas.RunResult`. At most one for each run."""

    __tablename__ = "results"

    run_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    job_id: Mapped[str] = mapped_column(
        Sorted, ForeignKey("jobs.id", ondelete="CASCADE"), index=True
    )
    document: Mapped[dict[str, Any]]
    partial: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Whether the run has not succeeded; the document has the levels that it has finished."""
    created_at: Mapped[Now]


class Event(Table):
    """An event of a job, numbered from 1 without gaps."""

    __tablename__ = "events"

    job_id: Mapped[str] = mapped_column(
        Sorted, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    run: Mapped[str | None]
    """The key of its run."""
    data: Mapped[dict[str, Any]]
    at: Mapped[Now]


class Artifact(Table):
    """A file of a run. Its name in the job is ``{run key}/{name within the run}``.

    Files of the whole job have no run, and the prefix `lth.results.artifacts.JOB`.
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
    """A finished dense training that other runs can reuse."""

    __tablename__ = "trunks"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    created_at: Mapped[Now]
    used_at: Mapped[Now]
