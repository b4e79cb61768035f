"""``GET /v1/queue``: who uses the workers, and which visible jobs are unfinished."""

from collections.abc import Mapping

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.api.accounts.access import ReaderDep
from service.api.accounts.teams import colleagues
from service.api.http.state import AppStateDep
from service.api.jobs.shapes import JobSummary
from service.store.workers import queue
from service.store.workers.queue import Load, PoolLoad

router = APIRouter(tags=["workers"])

MOST_JOBS = 100


class OwnerLoad(BaseModel):
    """The runs of an owner in a pool, or of all owners outside your teams together."""

    owner: str | None = Field(description="null: all owners outside your teams")
    running: int = Field(description="running runs")
    queued: int = Field(description="queued runs; runs that wait for other runs do not count")


class PoolView(BaseModel):
    """The workers of a pool, and the runs of each owner."""

    pool: str
    workers: int
    idle: int = Field(description="idle workers")
    loads: list[OwnerLoad]


class QueueView(BaseModel):
    """The load of all pools, and the visible unfinished jobs."""

    pools: list[PoolView]
    jobs: list[JobSummary] = Field(
        description=f"running ones first, then the oldest; at most {MOST_JOBS}"
    )


@router.get("/queue", summary="Look at the queue")
def show_queue(principal: ReaderDep, app: AppStateDep) -> QueueView:
    """The load by owner. Owners outside your teams appear together, without names."""
    named = colleagues(app, principal)
    with app.database.transaction() as session:
        pools = queue.loads(session)
        jobs = queue.unfinished(session, principal.viewer, MOST_JOBS)
    return QueueView(
        pools=[_pool(pool, load, named) for pool, load in pools.items()],
        jobs=[JobSummary.model_validate(job) for job in jobs],
    )


def _pool(name: str, load: PoolLoad, named: frozenset[str] | None) -> PoolView:
    return PoolView(
        pool=name, workers=load.workers, idle=load.idle, loads=_by_owner(load.owners, named)
    )


def _by_owner(owners: Mapping[str, Load], named: frozenset[str] | None) -> list[OwnerLoad]:
    """Owners with names first, by name, and then all others as one."""
    shown = {owner: load for owner, load in owners.items() if named is None or owner in named}
    others = [load for owner, load in owners.items() if owner not in shown]
    listed = [
        OwnerLoad(owner=owner, running=load.running, queued=load.queued)
        for owner, load in sorted(shown.items())
    ]
    if others:
        listed.append(
            OwnerLoad(
                owner=None,
                running=sum(load.running for load in others),
                queued=sum(load.queued for load in others),
            )
        )
    return listed
