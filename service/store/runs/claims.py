"""Claims: which run a worker executes next, and its lease.

A team with a weight counts as one, and so does an owner whose home is no such team. Among them, the
one with the smallest weighted share of the workers comes first, and then the one with the least
recent usage. The same rule decides among the owners of a team. Within an owner, priority and age
decide (`Run.rank`), and then the order of the plan, in which runs that others need come first.

Claims take turns under an advisory lock, so shares and quotas are exact. A claim takes about a
millisecond. `SKIP LOCKED` skips a run that is being cancelled.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from lth.spec.plan import Assignment, RunKind
from service.settings import Settings
from service.store.accounts import owners
from service.store.jobs import budgets
from service.store.jobs.events import CHANNEL, EventKind
from service.store.runs.leases import Lease
from service.store.tables import Run

_TURN = 0x4C5449
"""The advisory lock under which claims take turns."""

_NEXT = text(
    """
    WITH active AS MATERIALIZED (
        SELECT owner, kind, trunk FROM runs WHERE state = 'running'
    ),
    loads AS MATERIALIZED (
        SELECT o.name, o.weight, o.max_running, m.team, coalesce(a.number, 0) AS running,
            o.usage * 0.5 ^ least(extract(epoch FROM now() - o.usage_at) / :half_life, :most)
                AS usage
        FROM owners o
        LEFT JOIN team_members m ON m.owner = o.name AND m.home
        LEFT JOIN (SELECT owner, count(*) AS number FROM active GROUP BY owner) a
            ON a.owner = o.name
    ),
    team_loads AS MATERIALIZED (
        SELECT t.name, t.weight, t.max_running, l.running, l.usage
        FROM (
            SELECT team, sum(running) AS running, sum(usage) AS usage FROM loads GROUP BY team
        ) l
        JOIN teams t ON t.name = l.team
    ),
    fair AS MATERIALIZED (
        SELECT o.name
        FROM loads o
        LEFT JOIN team_loads t ON t.name = o.team
        WHERE (
            SELECT true FROM runs q
            WHERE q.state = 'queued' AND q.pool = :pool AND q.owner = o.name
            LIMIT 1
        )
        AND (o.max_running IS NULL OR o.running < o.max_running)
        AND (t.max_running IS NULL OR t.running < t.max_running)
        ORDER BY
            coalesce(t.running / t.weight, o.running / o.weight),
            coalesce(t.usage / t.weight, o.usage / o.weight),
            o.running / o.weight,
            o.usage / o.weight,
            o.name
    ),
    chosen AS (
        SELECT q.id
        FROM fair
        CROSS JOIN LATERAL (
            SELECT r.id FROM runs r
            WHERE r.state = 'queued' AND r.pool = :pool AND r.owner = fair.name
            AND coalesce(r.memory, 0) <= :memory
            AND (r.killed_with_memory IS NULL OR r.killed_with_memory < :memory OR NOT EXISTS (
                SELECT FROM workers w
                WHERE w.memory_total > :memory AND w.state NOT IN ('draining', 'lost')
                AND :pool = ANY (w.pools)
            ))
            AND r.trunk <> ALL (ARRAY(SELECT trunk FROM active WHERE kind = 'trunk'))
            ORDER BY r.rank, r.position, r.id
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        ) q
        LIMIT 1
    )
    UPDATE runs r
    SET state = 'running', attempt = attempt + 1, worker_id = :worker_id,
        started_at = clock_timestamp(), finished_at = NULL,
        lease_expires_at = clock_timestamp() + :lease
    FROM chosen
    WHERE r.id = chosen.id
    RETURNING r.id, r.job_id, r.key, r.kind, r.trial, r.seed, r.experiment, r.trunk, r.owner,
        r.pool, r.attempt, r.checkpoint_digest, r.queued_at,
        greatest(r.max_seconds - r.seconds, 0) AS seconds_left
    """
)
"""A run is skipped if a run of another job is training its trunk now; later it will find the trunk.

A run is skipped too if it needs more memory than the worker has. The index contains the memory, so
this reads no row of `runs`. After a kill for memory, a run waits for a larger worker if there is
one.

A claim that stops at the first row leaves the rows of other owners unlocked.
"""
_ANY_MEMORY = 2**63 - 1
"""More bytes than any run needs."""

_TURN_COMES = text(
    """
    SELECT pg_advisory_xact_lock(:turn),
        set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
        set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)
    """
)
"""Waits for the turn.

The planner must use the index with the order of the claim: with a million queued runs of one owner,
it would rather sort them. For the same reason there is no EXISTS above, which may become a join
with the whole queue.
"""

_STARTED = text(
    """
    WITH job AS (
        UPDATE jobs
        SET state = 'running', started_at = coalesce(started_at, clock_timestamp()),
            events = events + 1
        WHERE id = :job_id
        RETURNING id, events, spec, max_seconds, created_at
    ),
    told AS (
        INSERT INTO events (job_id, number, kind, run, data, at)
        SELECT id, events, :kind, :run, CAST(:data AS jsonb), clock_timestamp() FROM job
    )
    SELECT spec, max_seconds, created_at, pg_notify(:channel, id || ':' || events) FROM job
    """
)
"""As `update_job_state`: a job with a run that starts is running, and no event ends it."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that belongs to this worker until the lease ends.

    Attributes:
        spec: the spec of the job, as stored.
        planned: the planned run.
        max_seconds: the rest of its time after earlier attempts.
        job_lasts: seconds until the job's budget is spent if no other run starts; None if
            unlimited.
        queued_at: since when it could have been claimed.
    """

    lease: Lease
    owner: str
    pool: str
    spec: dict[str, Any]
    planned: Assignment
    checkpoint_digest: str | None
    max_seconds: float
    job_lasts: float | None
    queued_at: datetime


def claim(
    session: Session,
    worker_id: str,
    pools: Sequence[str],
    settings: Settings,
    memory: int | None = None,
) -> Claimed | None:
    """Claim the best queued run of the first of `pools` that has one.

    Args:
        session: the transaction.
        worker_id: id of the worker.
        pools: the pools that it serves.
        settings: the length of a lease, and how fast past usage decays.
        memory: bytes that the run may need; None for any number.

    Returns:
        None if no run is queued that fits.
    """
    session.execute(_TURN_COMES, {"turn": _TURN})
    for pool in pools:
        run = session.execute(_NEXT, _parameters(pool, worker_id, settings, memory)).one_or_none()
        if run is not None:
            return _claimed(session, run, worker_id)
    return None


def waiting(session: Session, pool: str) -> bool:
    """Whether a pool has a queued run."""
    found = select(Run.id).where(Run.state == "queued", Run.pool == pool).limit(1)
    return session.scalar(found) is not None


def _parameters(
    pool: str, worker_id: str, settings: Settings, memory: int | None
) -> dict[str, object]:
    return {
        "pool": pool,
        "memory": _ANY_MEMORY if memory is None else memory,
        "worker_id": worker_id,
        "lease": settings.lease,
        "half_life": settings.usage_half_life_seconds,
        "most": owners.MOST_HALF_LIVES,
    }


def _claimed(session: Session, run: Row[Any], worker_id: str) -> Claimed:
    job = session.execute(
        _STARTED,
        {
            "job_id": run.job_id,
            "kind": EventKind.RUN_STARTED,
            "run": run.key,
            "data": json.dumps({"attempt": run.attempt, "worker": worker_id}),
            "channel": CHANNEL,
        },
    ).one()
    budget = None if job.max_seconds is None else budgets.of_job(session, run.job_id)
    return Claimed(
        lease=Lease(run.id, run.job_id, run.key, run.attempt),
        owner=run.owner,
        pool=run.pool,
        spec=job.spec,
        planned=Assignment(
            key=run.key,
            kind=RunKind(run.kind),
            trial=run.trial,
            seed=run.seed,
            experiment=run.experiment,
            trunk=run.trunk,
        ),
        checkpoint_digest=run.checkpoint_digest,
        max_seconds=run.seconds_left,
        job_lasts=None if budget is None else budget.lasts,
        queued_at=run.queued_at or job.created_at,
    )
