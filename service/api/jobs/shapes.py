"""Jobs and runs of the HTTP API."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lth.spec.plan import RunKind
from service.api.http.paging import Paged
from service.api.jobs.waiting import Waiting
from service.store.states import JobState, Reason, RunState
from service.store.tables import Job, Run


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class FailureView(_View):
    """Why a run failed."""

    run: str = Field(description="the key of the run", examples=["trial-1/ticket"])
    reason: Reason = Field(description="stable; programs may branch on it")
    message: str = Field(description="what happened, and what can be done about it")
    log_tail: str | None = Field(default=None, description="the last lines that the run logged")


class JobSummary(_View):
    """A job in a list."""

    id: str = Field(examples=["job_0199f0c2a5d87c3e8a51f2f7f9d1c001"])
    name: str
    kind: str = Field(description="'model', 'session' or 'robust'")
    owner: str
    team: str | None = Field(description="the team that sees it; null: only its owner")
    labels: dict[str, str]
    state: JobState
    dataset: str | None = Field(description="kind of its data set, or the id of an uploaded one")
    network: str | None = Field(description="kind of its network, or 'own layers'")
    best_accuracy: float | None = Field(
        description="highest test accuracy at an early stop, over all runs and finished levels"
    )
    runs_total: int
    runs_finished: int
    priority: int
    pool: str
    spec_hash: str = Field(description="equal for specs that must give equal results")
    failure: FailureView | None = Field(description="of the run that failed first")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None


class JobView(JobSummary):
    """A job."""

    spec: dict[str, Any] = Field(description="as it was understood, with every default")
    max_seconds: int | None = Field(
        description="bound on the seconds that its runs take on devices together; null is none"
    )


class WebhookView(_View):
    """The delivery of a job's webhook."""

    url: str
    attempts: int
    delivered_at: datetime | None
    given_up_at: datetime | None
    error: str | None = Field(description="of the last attempt")


class JobDetail(JobView):
    """A job, with its progress and its place in the queue."""

    progress: float = Field(ge=0, le=1, description="how much of it is done")
    seconds: float = Field(description="on devices so far, over all its runs and attempts")
    waiting: Waiting | None = Field(description="why nothing of it runs, if nothing does")
    webhook: WebhookView | None = Field(
        description="whom to tell of its end; null for others than its owner and administrators"
    )


class SubmittedJob(JobView):
    """The response to a submission."""

    reused: bool = Field(description="it is a finished job of the same spec, not a new one")


class JobPage(Paged):
    """A page of jobs, newest first."""

    jobs: list[JobSummary]


class RunView(_View):
    """A run of a job."""

    key: str = Field(description="its name in the job", examples=["trial-1/ticket"])
    kind: RunKind
    trial: int
    experiment: str | None
    seed: int
    state: RunState
    attempt: int = Field(description="how often a worker took it")
    losses: int = Field(description="how often its worker was lost")
    memory: int | None = Field(
        description="estimated bytes that it needs; only a worker with so much takes it; null for "
        "a job of an older version, which fits every worker"
    )
    worker: str | None
    progress: dict[str, Any] | None = Field(description="how far it has come")
    failure: FailureView | None
    queued_at: datetime | None
    started_at: datetime | None = Field(description="of the last attempt")
    finished_at: datetime | None
    seconds: float = Field(description="on a device, over all attempts")
    max_seconds: int = Field(description="bound on these")


class RunList(Paged):
    """A page of the runs of a job, in the order of its plan."""

    runs: list[RunView]


def job_view(job: Job) -> JobView:
    """The view of a job."""
    return JobView.model_validate(job)


def run_view(run: Run) -> RunView:
    """A run as it goes out."""
    failure = None
    if run.failure_reason is not None:
        failure = FailureView(
            run=run.key,
            reason=run.failure_reason,
            message=run.failure_message or "",
            log_tail=run.log_tail,
        )
    return RunView(
        key=run.key,
        kind=run.kind,
        trial=run.trial,
        experiment=run.experiment,
        seed=run.seed,
        state=run.state,
        attempt=run.attempt,
        losses=run.losses,
        memory=run.memory,
        worker=run.worker_id,
        progress=run.progress,
        failure=failure,
        queued_at=run.queued_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        seconds=run.seconds,
        max_seconds=run.max_seconds,
    )
