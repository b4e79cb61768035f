"""What the service answers, as the client hands it on.

Fields that a newer service adds are left out, so that an older client keeps working.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lth.results import RunResult

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
RunState = Literal["blocked", "queued", "running", "succeeded", "failed", "cancelled"]

FINISHED = frozenset({"succeeded", "failed", "cancelled"})


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Failure(_Answer):
    """Why a run failed."""

    run: str
    reason: str = Field(description="stable; programs may branch on it")
    message: str
    log_tail: str | None = None


class Job(_Answer):
    """A job; `spec` only when one job was asked for."""

    id: str
    name: str
    kind: str
    owner: str
    state: JobState
    labels: dict[str, str]
    priority: int
    pool: str
    spec_hash: str
    runs_total: int
    runs_finished: int
    failure: Failure | None = None
    reused_from: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    spec: dict[str, Any] | None = None

    @property
    def finished(self) -> bool:
        """Whether its state is final, unless it is retried."""
        return self.state in FINISHED


class JobPage(_Answer):
    """Some jobs, newest first, and where the next ones begin."""

    jobs: list[Job]
    cursor: str | None


class Run(_Answer):
    """A run of a job: the unit that a worker takes."""

    key: str
    kind: str
    trial: int
    experiment: str | None
    state: RunState
    attempt: int
    losses: int
    worker: str | None
    progress: dict[str, Any] | None
    failure: Failure | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float


class RunList(_Answer):
    """The runs of a job, in the order of its plan."""

    runs: list[Run]


class KeyedResult(_Answer):
    """What one run found out."""

    run: str
    result: RunResult


class Results(_Answer):
    """What a job's finished experiments found out."""

    job_id: str
    state: JobState
    results: list[KeyedResult]


class Artifact(_Answer):
    """A file that a run left behind."""

    name: str
    media_type: str
    size: int
    digest: str
    href: str


class ArtifactList(_Answer):
    """The files of a job, by name."""

    artifacts: list[Artifact]


class Event(_Answer):
    """Something that happened to a job; `number` counts from 1, without gaps."""

    number: int
    kind: str
    run: str | None
    at: datetime
    data: dict[str, Any]


def how_it_ended(job: Job) -> str:
    """A job's state, and why it failed if it did, in a sentence."""
    why = job.failure
    because = f": {why.reason} in {why.run}: {why.message}" if why else ""
    return f"the job {job.id} is {job.state}{because}"
