"""``POST /v1/jobs``: a spec becomes a job, or a plan if only that is wanted."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Query, Response, status
from sqlalchemy.orm import Session

from lth.datasets import Uploaded
from lth.plan import plan
from lth.spec import spec_hash
from service.api.access import MemberDep, Principal
from service.api.documents import JsonBytes
from service.api.jobs.planning import Plan, planned
from service.api.jobs.shapes import SubmittedJob, job_view
from service.api.jobs.submission import EXAMPLES, Options, read_submission
from service.api.parts import Parts, PartsDep
from service.api.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    IdempotencyMismatch,
    InvalidRequest,
    MalformedBody,
    QuotaExceeded,
    UnsupportedMediaType,
    answers,
)
from service.store import audit, datasets, webhooks
from service.store.errors import NotThere
from service.store.submitting import Idempotency, Submission, Submitted, reusable, submit
from service.store.tables import StoredDataset

_log = structlog.get_logger(__name__)
router = APIRouter(tags=["jobs"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Submission"},
                "examples": EXAMPLES,
            }
        },
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": SubmittedJob | Plan, "description": "A finished job is reused, or the plan"},
    202: {
        "description": "The job is queued",
        "headers": {
            "Location": {"schema": {"type": "string"}, "description": "where the job is"},
            "Idempotent-Replayed": {
                "schema": {"type": "string", "enum": ["true"]},
                "description": "an earlier request with this key made the job",
            },
        },
    },
    **answers(
        MalformedBody,
        Forbidden,
        Conflict,
        BodyTooLarge,
        UnsupportedMediaType,
        InvalidRequest,
        IdempotencyMismatch,
        QuotaExceeded,
    ),
}


@router.post(
    "/jobs",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=SubmittedJob | Plan,
    summary="Submit a job",
    openapi_extra=_BODY,
    responses=_ANSWERS,
)
def submit_job(
    response: Response,
    principal: MemberDep,
    body: JsonBytes,
    parts: PartsDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=r"^[\x21-\x7e]{1,255}$",
            description="makes it safe to send this again: the same key and body give the same job",
        ),
    ] = None,
    validate_only: Annotated[
        bool, Query(description="answer with the plan and an estimate, and submit nothing")
    ] = False,
) -> SubmittedJob | Plan:
    """Validate a spec, plan its runs and queue them.

    Once this has answered 202, the job is in the database and cannot be lost. A spec that is
    wrong is answered with every wrong field at once, and leaves nothing behind.
    """
    spec, options = read_submission(body, parts.settings, _finder(parts, principal))
    if validate_only:
        response.status_code = status.HTTP_200_OK
        with parts.database.transaction() as session:
            return planned(session, spec, options.pool or parts.settings.default_pool)
    submission = Submission(
        owner=principal.owner,
        spec=spec,
        runs=plan(spec),
        priority=options.priority,
        pool=options.pool,
        max_seconds=options.max_seconds,
        dataset_id=spec.dataset.id if isinstance(spec.dataset, Uploaded) else None,
        idempotency=_idempotency(idempotency_key, body),
    )
    with parts.database.transaction() as session:
        finished = _finished_before(session, submission, options)
        submitted = finished or submit(session, submission, parts.settings)
        if submitted.created:
            audit.record(session, principal.actor, "job.submit", submitted.job.id)
            if options.webhook is not None:
                webhooks.add(session, submitted.job.id, str(options.webhook))
    job = submitted.job
    _log.info("job_submitted", job_id=job.id, created=submitted.created, runs=job.runs_total)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if finished:
        response.status_code = status.HTTP_200_OK
    elif submitted.created:
        parts.hints.wake(job.pool, job.runs_total)
    else:
        response.headers["Idempotent-Replayed"] = "true"
    return SubmittedJob(**job_view(job).model_dump(), reused=finished is not None)


def _finder(parts: Parts, principal: Principal) -> Callable[[str], StoredDataset | None]:
    def find(name: str) -> StoredDataset | None:
        with parts.database.transaction() as session, suppress(NotThere):
            return datasets.get(session, name, principal.sees)
        return None

    return find


def _finished_before(
    session: Session, submission: Submission, options: Options
) -> Submitted | None:
    """A finished job that is as good as a new one, if that is wanted and there is one."""
    if options.reuse == "never":
        return None
    job = reusable(session, submission.owner, spec_hash(submission.spec))
    return None if job is None else Submitted(job, created=False)


def _idempotency(key: str | None, body: bytes) -> Idempotency | None:
    return None if key is None else Idempotency(key, hashlib.sha256(body).hexdigest())
