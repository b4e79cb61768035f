"""Jobs: submitted, looked up, listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ARRAY, ColumnElement, Select, String, any_, func, literal, select
from sqlalchemy.orm import Session, defer

from service.store import paging
from service.store.errors import NotThere
from service.store.ids import job_ids_from
from service.store.paging import Page
from service.store.states import JobState
from service.store.tables import Job

_FEW = 5_000
"""Jobs of a label that are looked up before the list is: whatever more have is found soon."""
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
    if wanted.labels:
        query = query.where(_labelled(session, wanted.labels))
    return paging.page(session, query, Job.id, cursor, limit)


def _matching(wanted: JobFilter) -> Select[Job]:
    query = select(Job)
    if wanted.owner is not None:
        query = query.where(Job.owner == wanted.owner)
    if wanted.states:
        query = query.where(Job.state.in_(wanted.states))
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


def _labelled(session: Session, labels: Mapping[str, str]) -> ColumnElement[bool]:
    """Whether a job has these labels: one of some ids, if not too many jobs have them.

    Postgres cannot tell how many do, and for a few it might read all jobs of all time.
    """
    has = Job.labels.contains(dict(labels))
    session.execute(select(func.set_config("enable_seqscan", "off", True)))
    ids = session.scalars(select(Job.id).where(has).limit(_FEW + 1)).all()
    return has if len(ids) > _FEW else Job.id == any_(literal(ids, ARRAY(String)))
