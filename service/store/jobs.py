"""Jobs: submitted, looked up, listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, defer

from service.store import paging
from service.store.errors import NotThere
from service.store.ids import job_ids_from
from service.store.paging import Page
from service.store.states import JobState
from service.store.tables import Job

_APART = 60.0
"""More seconds than lie between a job's id and its `created_at`. Lists go by ids, so it takes a
bound on these not to read all jobs that are younger, or older, than is asked for."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a list is of; None and empty mean any.

    Attributes:
        labels: pairs that a job must all have.
        created_from, created_before: a range of time, without its end.
        text: part of a job's name, in any case.
    """

    owner: str | None = None
    states: Sequence[JobState] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created_from: datetime | None = None
    created_before: datetime | None = None
    spec_hash: str | None = None
    text: str | None = None


def get(session: Session, job_id: str, owner: str | None = None) -> Job:
    """A job, of this owner if one is given.

    Raises:
        NotThere: also when it belongs to another owner.
    """
    job = session.get(Job, job_id)
    if job is None or (owner is not None and job.owner != owner):
        raise NotThere(f"there is no job '{job_id}'")
    return job


def page(
    session: Session, wanted: JobFilter, cursor: str | None = None, limit: int = 50
) -> Page[Job]:
    """Jobs without their specs, a page at a time (`service.store.paging`)."""
    query = _matching(wanted).options(defer(Job.spec, raiseload=True))
    return paging.page(session, query, Job.id, cursor, limit)


def _matching(wanted: JobFilter) -> Select[Job]:
    query = select(Job)
    if wanted.owner is not None:
        query = query.where(Job.owner == wanted.owner)
    if wanted.states:
        query = query.where(Job.state.in_(wanted.states))
    if wanted.labels:
        query = query.where(Job.labels.contains(dict(wanted.labels)))
    if wanted.created_from is not None:
        query = query.where(
            Job.created_at >= wanted.created_from,
            Job.id >= job_ids_from(wanted.created_from, -_APART),
        )
    if wanted.created_before is not None:
        query = query.where(
            Job.created_at < wanted.created_before,
            Job.id < job_ids_from(wanted.created_before, _APART),
        )
    if wanted.spec_hash is not None:
        query = query.where(Job.spec_hash == wanted.spec_hash)
    if wanted.text:
        query = query.where(Job.name.icontains(wanted.text, autoescape=True))
    return query
