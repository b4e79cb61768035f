"""The responses of the service.

Unknown fields are ignored, so an older client works with a newer service.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lth.results.schemas import RunResult

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Role = Literal["reader", "member", "admin"]
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


class Waiting(_Answer):
    """Why a job waits."""

    reason: str = Field(description="stable; programs may branch on it")
    detail: str
    position: int
    estimated_start: datetime | None = None


class Job(_Answer):
    """A job; `spec` is set only if a single job was requested."""

    id: str
    name: str
    kind: str
    owner: str
    team: str | None = Field(default=None, description="the team that sees it; None: its owner")
    state: JobState
    dataset: str | None = Field(
        default=None, description="kind of its data set, or the id of an uploaded one"
    )
    network: str | None = Field(default=None, description="kind of its network")
    best_accuracy: float | None = Field(
        default=None,
        description="highest test accuracy at an early stop, over all runs and finished levels",
    )
    labels: dict[str, str]
    priority: int
    pool: str
    spec_hash: str
    runs_total: int
    runs_finished: int
    failure: Failure | None = None
    reused: bool = Field(
        default=False, description="whether this is an earlier, finished job with the same spec"
    )
    waiting: Waiting | None = Field(
        default=None, description="why it waits; only if a single job was requested"
    )
    progress: float | None = Field(default=None, description="finished share, 0 to 1")
    seconds: float | None = Field(default=None, description="device seconds used so far")
    max_seconds: int | None = Field(default=None, description="limit on the device seconds")
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    spec: dict[str, Any] | None = None

    @property
    def finished(self) -> bool:
        """Whether the job has ended; a retry can start it again."""
        return self.state in FINISHED


class Page(_Answer):
    """A page of a list; `cursor` leads to the next page, and is None on the last one."""

    cursor: str | None = None


class JobPage(Page):
    """A page of jobs, newest first."""

    jobs: list[Job]


class Run(_Answer):
    """A run of a job."""

    key: str
    kind: str
    trial: int
    experiment: str | None
    state: RunState
    attempt: int
    losses: int
    memory: int | None = Field(default=None, description="estimated bytes that it needs")
    worker: str | None
    progress: dict[str, Any] | None
    failure: Failure | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float


class RunList(Page):
    """A page of the runs of a job, in the order of its plan."""

    runs: list[Run]


class KeyedResult(_Answer):
    """The result of one run."""

    run: str
    result: RunResult


class Results(Page):
    """A page of the results of a job's finished experiments."""

    job_id: str
    state: JobState
    results: list[KeyedResult]


class Artifact(_Answer):
    """A file of a run or a job; a picture that is not drawn yet has no size and no digest."""

    name: str
    media_type: str
    size: int | None
    digest: str | None
    href: str

    @property
    def job_id(self) -> str:
        """The id of its job."""
        return self.href.removeprefix("/v1/jobs/").partition("/")[0]


class ArtifactList(Page):
    """A page of the files of a job, by name."""

    artifacts: list[Artifact]


class WebhookSecret(_Answer):
    """The secret with which a receiver verifies the webhooks of an owner."""

    owner: str
    secret: str = Field(repr=False)


class Estimate(_Answer):
    """An estimate of the time of a job; None if no similar run was measured.

    Ranges are from the least to the most seconds.
    """

    samples: int
    samples_per_second: float | None
    device_seconds: float | None
    device_range: tuple[float, float] | None = None
    elapsed_seconds: float | None = Field(
        default=None, description="until the job ends if no other job runs"
    )
    elapsed_range: tuple[float, float] | None = None
    workers: int = 0
    basis: str
    measured_runs: int


class Memory(_Answer):
    """An estimate of the most memory of a run, in bytes; `layer` needs most in training."""

    total: int
    process: int
    data: int
    weights: int
    training: int
    evaluation: int
    layer: str


class PlannedRun(_Answer):
    """A planned run."""

    key: str
    kind: str
    needs: tuple[str, ...]


class PlannedTrunk(_Answer):
    """A planned dense training that runs share, and whether it already exists."""

    identity: str
    trial: int
    exists: bool


class Plan(_Answer):
    """The plan of a spec."""

    spec_hash: str
    runs: list[PlannedRun]
    trunks: list[PlannedTrunk]
    parameters: int
    prunable: int
    estimate: Estimate
    memory: Memory | None = Field(default=None, description="None from an older service")
    remarks: tuple[str, ...] = ()


class Worker(_Answer):
    """A process that executes one run at a time."""

    id: str
    host: str
    pid: int
    pools: list[str]
    device: str
    memory_total: int | None
    memory_used: int | None
    state: str
    why: str | None
    owner: str | None = Field(default=None, description="owner of its run, if you share a team")
    job_id: str | None
    run: str | None
    started_at: datetime
    heartbeat_seconds: float


class WorkerList(_Answer):
    """The workers, by name."""

    workers: list[Worker]


class Key(_Answer):
    """An API key, without its secret."""

    id: str
    prefix: str
    owner: str
    role: Role
    name: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


class MadeKey(Key):
    """A new key with its secret."""

    key: str


class KeyPage(Page):
    """A page of keys, newest first."""

    keys: list[Key]


class Quota(_Answer):
    """The quota of an owner; None means unlimited."""

    weight: float
    max_running: int | None
    max_queued: int | None
    max_stored_bytes: int | None


class Owner(_Answer):
    """An owner with quota and usage."""

    name: str
    quota: Quota
    running_runs: int
    unfinished_jobs: int
    stored_bytes: int


class OwnerList(_Answer):
    """Owners, by name."""

    owners: list[Owner]


class TeamQuota(_Answer):
    """The quota of a team; None means unlimited, and no share as a team."""

    weight: float | None
    max_running: int | None
    max_queued: int | None
    max_stored_bytes: int | None


class TeamMember(_Answer):
    """A member of a team, and whether its jobs count for the quota of this team."""

    owner: str
    home: bool


class Team(_Answer):
    """A team with its members, quota and usage."""

    name: str
    members: list[TeamMember]
    quota: TeamQuota
    running_runs: int
    unfinished_jobs: int
    stored_bytes: int


class TeamList(_Answer):
    """Teams, by name."""

    teams: list[Team]


class OwnerLoad(_Answer):
    """The runs of an owner in a pool; owner None is all owners outside your teams."""

    owner: str | None
    running: int
    queued: int


class PoolLoad(_Answer):
    """The workers of a pool, and its runs by owner."""

    pool: str
    workers: int
    idle: int
    loads: list[OwnerLoad]


class Queue(_Answer):
    """The load of all pools, and the visible unfinished jobs."""

    pools: list[PoolLoad]
    jobs: list[Job]


class NamedDataset(_Answer):
    """A data set that a spec names by its kind."""

    kind: str
    source: Literal["built-in", "file"]
    description: str
    shape: tuple[int, ...] = Field(description="of one sample")
    classes: int
    train: int
    test: int
    available: bool | None = Field(
        description="whether a worker has it; None: no worker has reported its files"
    )
    pools: tuple[str, ...] = Field(description="of the workers that report its file")


class StoredDataset(_Answer):
    """An uploaded data set; a spec refers to it by its id."""

    id: str
    owner: str
    team: str | None = Field(default=None, description="the team that uses it; None: its owner")
    name: str
    format: str = Field(default="npz", description="of the uploaded file")
    size: int = Field(description="of the file, in bytes")
    decoded_size: int = Field(default=0, description="of its arrays, in bytes")
    digest: str
    shape: tuple[int, ...] = Field(description="of one sample")
    dtype: str | None = Field(default=None, description="of the samples; None: unknown")
    classes: int
    class_names: tuple[str, ...] | None = Field(
        default=None, description="by label; None for npz files, and in lists"
    )
    train: int
    test: int
    validation: int = Field(default=0, description="training samples given for validation")
    float_range: tuple[float, float] | None = None
    remarks: tuple[str, ...] = ()
    created_at: datetime


class DatasetPage(Page):
    """A page of data sets, newest first; the first page has the named ones."""

    named: list[NamedDataset] = []
    datasets: list[StoredDataset]


class Event(_Answer):
    """An event of a job; `number` counts from 1 without gaps."""

    number: int
    kind: str
    run: str | None
    at: datetime
    data: dict[str, Any]


def how_it_ended(job: Job) -> str:
    """The state of a job, and why it failed, as a sentence."""
    why = job.failure
    because = f": {why.reason} in {why.run}: {why.message}" if why else ""
    how = {"failed": "has failed", "cancelled": "was cancelled"}.get(job.state, f"is {job.state}")
    return f"the job {job.id} {how}{because}"
