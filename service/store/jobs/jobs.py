"""Jobs: lookup and lists."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product

from sqlalchemy import ARRAY, ColumnElement, Select, String, any_, false, func, literal, or_, select
from sqlalchemy.orm import Session, defer

from service.store import paging
from service.store.accounts.viewers import Viewer, may_see, visible_parts
from service.store.errors import NotThere
from service.store.ids import job_ids_from
from service.store.paging import Page
from service.store.states import JobState
from service.store.tables import Job

_PREFIX = re.compile("job_[0-9a-f]{4,31}")
_TOLD = 5
_FEW = 5_000
"""If at most this many jobs have a label, they are looked up before the list is read."""
_APART = 60.0
"""An upper bound on the seconds between a job's id and its `created_at`.

Lists are ordered by id, so the
bound keeps them from reading all younger or older jobs.
"""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """The filter of a list of jobs; None and empty values match all.

    Attributes:
        viewer: whose visible jobs are listed.
        team: jobs that this team sees.
        labels: labels that a job must have, all of them.
        created_from, created_before: a range of time; the end is exclusive.
        text: part of a job's name, case-insensitive.
        dataset: kind of the data set, or the id of an uploaded one.
        network: kind of the network.
        min_accuracy: the least best accuracy.
    """

    viewer: Viewer | None = None
    owner: str | None = None
    team: str | None = None
    states: Sequence[JobState] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created_from: datetime | None = None
    created_before: datetime | None = None
    spec_hash: str | None = None
    text: str | None = None
    dataset: str | None = None
    network: str | None = None
    min_accuracy: float | None = None


def get(session: Session, job_id: str, viewer: Viewer | None = None) -> Job:
    """A visible job.

    Raises:
        NotThere: if it does not exist or is not visible.
    """
    job = session.get(Job, job_id)
    if job is None or not may_see(viewer, job):
        raise NotThere(f"there is no job '{job_id}'")
    return job


def find(session: Session, given: str, viewer: Viewer | None = None) -> Job:
    """A visible job by its id, by its name, or by the beginning of its id.

    A name or a beginning counts only if it belongs to one job: to one of the viewer's own jobs, or
    else to one that a team sees.

    Raises:
        NotThere: if there is no such job, or more than one.
    """
    job = session.get(Job, given)
    if job is not None and may_see(viewer, job):
        return job
    conditions: list[ColumnElement[bool]] = [(Job.name == given) & (Job.name != "")]
    if _PREFIX.fullmatch(given):
        conditions.append(Job.id.startswith(given, autoescape=True))
    own, *of_teams = visible_parts(viewer, Job)
    for condition, part in product(conditions, (own, or_(false(), *of_teams))):
        query = select(Job).where(condition, part).order_by(Job.id.desc()).limit(_TOLD + 1)
        found = session.scalars(query).all()
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(job.id for job in found[:_TOLD])
            more = "" if len(found) <= _TOLD else ", and others"
            raise NotThere(f"'{given}' stands for several jobs: {ids}{more}; give one of these ids")
    raise NotThere(f"there is no job '{given}'")


def page(
    session: Session, wanted: JobFilter, cursor: str | None = None, limit: int = 50
) -> Page[Job]:
    """A page of jobs without their specs (`service.store.paging`)."""
    query = _matching(wanted).options(defer(Job.spec, raiseload=True))
    if wanted.labels:
        query = query.where(_labelled(session, wanted.labels))
    return paging.page(session, query, Job.id, cursor, limit, _parts(wanted))


def _matching(wanted: JobFilter) -> Select[Job]:
    query = select(Job)
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
    if wanted.dataset is not None:
        query = query.where(Job.dataset == wanted.dataset)
    if wanted.network is not None:
        query = query.where(Job.network == wanted.network)
    if wanted.min_accuracy is not None:
        query = query.where(Job.best_accuracy >= wanted.min_accuracy)
    return query


def _parts(wanted: JobFilter) -> Sequence[ColumnElement[bool]]:
    """The parts of the list that the viewer, the owner and the team of a filter select."""
    parts = visible_parts(wanted.viewer, Job)
    if wanted.viewer is not None and wanted.owner == wanted.viewer.owner:
        parts = parts[:1]
    elif wanted.owner is not None:
        parts = [part & (Job.owner == wanted.owner) for part in parts]
    return parts if wanted.team is None else [part & (Job.team == wanted.team) for part in parts]


def _labelled(session: Session, labels: Mapping[str, str]) -> ColumnElement[bool]:
    """The condition that a job has these labels: a list of ids, if not too many jobs have them.

    Postgres cannot estimate their number, and might read all jobs for a few matches.
    """
    has = Job.labels.contains(dict(labels))
    session.execute(select(func.set_config("enable_seqscan", "off", True)))
    ids = session.scalars(select(Job.id).where(has).limit(_FEW + 1)).all()
    return has if len(ids) > _FEW else Job.id == any_(literal(ids, ARRAY(String)))
