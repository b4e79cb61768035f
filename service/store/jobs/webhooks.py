"""Webhooks: created with their job, called when it has ended, and retried for a while."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from service.store.tables import Job, Webhook

DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3_600, 21_600))
"""Time until the next attempt, after each failed one; then the webhook is given up."""
_CLAIM = timedelta(minutes=2)
PER_OWNER = 4
"""The most calls of an owner at once."""
PER_HOST = 4
"""The most calls to a host at once, from all owners together."""


@dataclass(frozen=True, slots=True)
class Call:
    """A webhook that is due, and its content."""

    job_id: str
    owner: str
    url: str
    attempts: int
    data: dict[str, Any]

    @property
    def host(self) -> str:
        """The host that is called."""
        return (urlsplit(self.url).hostname or "").rstrip(".")


def get(session: Session, job_id: str) -> Webhook | None:
    """The webhook of a job; None if it has none."""
    return session.get(Webhook, job_id)


def reset(session: Session, job_id: str) -> None:
    """Call the webhook again at the next end, because the job is retried."""
    session.execute(
        update(Webhook)
        .where(Webhook.job_id == job_id)
        .values(attempts=0, next_at=func.now(), delivered_at=None, given_up_at=None, error=None)
    )


def claim_due(
    session: Session,
    limit: int = 20,
    by_owner: Mapping[str, int] | None = None,
    by_host: Mapping[str, int] | None = None,
) -> Sequence[Call]:
    """Take webhooks of ended jobs that are due. No other beat gets them for two minutes.

    Owners take turns: an owner with fewer calls under way comes first.

    Args:
        session: the transaction.
        limit: the most calls.
        by_owner: number of calls under way, by owner.
        by_host: number of calls under way, by host.
    """
    owners, hosts = Counter(by_owner or {}), Counter(by_host or {})
    calls: list[Call] = []
    due = session.execute(_candidates(limit)).all()
    for job_id, owner, host, _ in sorted(due, key=lambda one: one[3] + owners[one[1]]):
        if len(calls) >= limit:
            break
        if owners[owner] >= PER_OWNER or hosts[host] >= PER_HOST:
            continue
        if call := _locked(session, job_id):
            calls.append(call)
            owners[owner] += 1
            hosts[host] += 1
    session.execute(
        update(Webhook)
        .where(Webhook.job_id.in_([call.job_id for call in calls]))
        .values(attempts=Webhook.attempts + 1, next_at=func.now() + _CLAIM)
        .execution_options(synchronize_session=False)
    )
    return calls


def _locked(session: Session, job_id: str) -> Call | None:
    """A webhook that is still due, unless another beat takes it."""
    found = session.execute(
        select(Webhook, Job)
        .join(Job, Job.id == Webhook.job_id)
        .where(Webhook.job_id == job_id, Webhook.next_at <= func.now())
        .with_for_update(of=Webhook, skip_locked=True)
    ).one_or_none()
    if found is None:
        return None
    hook, job = found
    return Call(job.id, job.owner, hook.url, hook.attempts, _told(job))


def _candidates(limit: int) -> Select[str, str, str, int]:
    """Due webhooks with owner, host and turn: the first ones of each owner and host, in turns.

    The host is written as in `Call.host`: lower case, no brackets, no dot at its end.
    """
    named = func.substring(Webhook.url, "^[a-z]+://(?:[^/?#]*@)?(\\[[^]]*]|[^/:?#]+)")
    host = func.rtrim(func.btrim(func.lower(named), "[]"), ".")
    due = (
        select(
            Webhook.job_id,
            Job.owner,
            host.label("host"),
            func.row_number()
            .over(partition_by=(Job.owner, host), order_by=Webhook.next_at)
            .label("turn"),
        )
        .join(Job, Job.id == Webhook.job_id)
        .where(
            Webhook.delivered_at.is_(None),
            Webhook.given_up_at.is_(None),
            Webhook.next_at <= func.now(),
            Job.finished_at.is_not(None),
        )
        .subquery()
    )
    turn = func.row_number().over(partition_by=due.c.owner, order_by=(due.c.turn, due.c.job_id))
    return (
        select(due.c.job_id, due.c.owner, due.c.host, turn)
        .where(due.c.turn <= PER_OWNER)
        .order_by(turn, due.c.job_id)
        .limit(100 * limit)
    )


def delivered(session: Session, job_id: str) -> None:
    """Record a successful call."""
    session.execute(
        update(Webhook).where(Webhook.job_id == job_id).values(delivered_at=func.now(), error=None)
    )


def failed(session: Session, call: Call, error: str) -> None:
    """Record a failed call; it is tried again later, or given up."""
    values: dict[str, Any] = {"error": error[:500]}
    if call.attempts < len(DELAYS):
        values["next_at"] = func.now() + DELAYS[call.attempts]
    else:
        values["given_up_at"] = func.now()
    session.execute(update(Webhook).where(Webhook.job_id == call.job_id).values(values))


def _told(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "owner": job.owner,
        "labels": job.labels,
        "state": job.state,
        "failure": job.failure,
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }
