"""``GET /v1/workers``: the workers and their state."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.api.accounts.access import ReaderDep
from service.api.accounts.teams import colleagues
from service.api.http.state import AppStateDep
from service.store.accounts.viewers import may_see
from service.store.tables import Run, Worker, WorkerState
from service.store.workers import workers

router = APIRouter(tags=["workers"])


class WorkerView(BaseModel):
    """A process that executes one run at a time."""

    id: str
    host: str
    pid: int
    pools: list[str] = Field(description="the pools that it serves")
    device: str = Field(description="'cpu', or the GPU's name")
    memory_total: int | None = Field(
        description="what its run may use, in bytes: all of its GPU, or its share of the machine"
    )
    memory_used: int | None = Field(description="by anybody, in bytes")
    state: WorkerState
    why: str | None = Field(description="why it refuses work, if it does")
    owner: str | None = Field(description="the owner of its run, if you share a team")
    job_id: str | None = Field(description="the job that it works for, if you may see it")
    run: str | None = Field(description="key of the run that it executes, likewise")
    started_at: datetime
    heartbeat_seconds: float = Field(description="since it last gave a sign of life")


class WorkerList(BaseModel):
    """The workers, by name."""

    workers: list[WorkerView]


@router.get("/workers", summary="List the workers")
def list_workers(principal: ReaderDep, app: AppStateDep) -> WorkerList:
    """All known workers, with their machine, device and current run."""
    named = colleagues(app, principal)
    with app.database.transaction() as session:
        now = workers.clock(session)
        found = workers.with_runs(session)
    listed: list[WorkerView] = []
    for worker, run, job in found:
        seen = run if job is not None and may_see(principal.viewer, job) else None
        owner = job.owner if job is not None and (named is None or job.owner in named) else None
        listed.append(_view(worker, owner, seen, now))
    return WorkerList(workers=listed)


def _view(worker: Worker, owner: str | None, seen: Run | None, now: datetime) -> WorkerView:
    return WorkerView(
        id=worker.id,
        host=worker.host,
        pid=worker.pid,
        pools=worker.pools,
        device=worker.device,
        memory_total=worker.memory_total,
        memory_used=worker.memory_used,
        state=worker.state,
        why=worker.detail.get("why"),
        owner=owner,
        job_id=seen.job_id if seen else None,
        run=seen.key if seen else None,
        started_at=worker.started_at,
        heartbeat_seconds=max((now - worker.seen_at).total_seconds(), 0.0),
    )
