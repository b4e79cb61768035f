"""``POST /v1/jobs``: submits a job, or returns its plan."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response, status
from pydantic import ValidationError

from lth.core.field_errors import WrongField
from lth.datasets import Uploaded
from lth.spec.document import Spec, spec_hash
from lth.spec.plan import plan
from service.api.accounts.access import MemberDep, Principal
from service.api.accounts.sharing import not_a_team_of, usual_team
from service.api.http.documents import JsonBytes, answer
from service.api.http.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    IdempotencyMismatch,
    InvalidRequest,
    MalformedBody,
    QuotaExceeded,
    TooManyRequests,
    UnsupportedMediaType,
    answers,
)
from service.api.http.state import AppState, AppStateDep
from service.api.jobs.planning import Plan, planned
from service.api.jobs.pools import PoolsDep
from service.api.jobs.run_memory import RunMemoryDep
from service.api.jobs.shapes import SubmittedJob, job_view
from service.api.jobs.submission import EXAMPLES, Options, read_submission
from service.store.accounts.viewers import Viewer
from service.store.blobs import datasets
from service.store.errors import NotThere
from service.store.jobs.submitting import (
    Idempotency,
    Submission,
    Submitted,
    repeated,
    reusable,
    submit,
)
from service.store.runs import artifacts
from service.store.tables import StoredDataset

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
    200: {
        "model": SubmittedJob | Plan,
        "description": "Nothing is queued: a finished job is reused, or only the plan was wanted",
    },
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
        TooManyRequests,
        QuotaExceeded,
    ),
}


@router.post(
    "/jobs",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=SubmittedJob,
    summary="Submit a job",
    openapi_extra=_BODY,
    responses=_ANSWERS,
)
def submit_job(
    principal: MemberDep,
    body: JsonBytes,
    app: AppStateDep,
    pools: PoolsDep,
    memory: RunMemoryDep,
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
) -> Response:
    """Validate a spec, plan its runs and queue them.

    After the status 202, the job is in the database. If the spec is wrong, the response lists all
    wrong fields, and nothing is stored.
    """
    idempotency = _idempotency(idempotency_key, body)

    def wrong_pool(pool: str) -> WrongField | None:
        # A repeated request gets its job, even if the pool was forgotten since.
        if pools.knows(pool) or _repeated(app, principal, idempotency):
            return None
        return pools.unknown(pool)

    def check_memory(spec: Spec, pool: str | None) -> None:
        try:
            memory.check(spec, pool or app.settings.default_pool)
        except ValidationError:
            # A repeated request gets its job, even if the largest worker has left since.
            if not _repeated(app, principal, idempotency):
                raise

    def wrong_team(team: str) -> WrongField | None:
        wrong = not_a_team_of(app, principal, team)
        # A repeated request gets its job, even if the owner has left the team since.
        return None if wrong is None or _repeated(app, principal, idempotency) else wrong

    find = _finder(app, principal)
    wrong_names = {"pool": wrong_pool, "team": wrong_team}
    spec, options = read_submission(body, app.settings, find, wrong_names, check_memory)
    if validate_only:
        with app.database.transaction() as session:
            return answer(planned(session, spec, options.pool or app.settings.default_pool))
    submission = Submission(
        by=principal.actor,
        spec=spec,
        runs=plan(spec),
        team=options.team if "team" in options.model_fields_set else usual_team(app, principal),
        priority=options.priority,
        pool=options.pool,
        max_seconds=options.max_seconds,
        max_run_seconds=options.max_run_seconds,
        dataset_id=spec.dataset.id if isinstance(spec.dataset, Uploaded) else None,
        webhook=str(options.webhook) if options.webhook else None,
        idempotency=idempotency,
    )
    finished = _finished_before(app, principal, submission, options)
    submitted = finished or submit(app.database, submission, app.settings)
    job = submitted.job
    headers = {"Location": f"/v1/jobs/{job.id}"}
    if submitted.created:
        app.hints.wake(job.pool, job.runs_total)
    elif not finished:
        headers["Idempotent-Replayed"] = "true"
    view = SubmittedJob(**dict(job_view(job)), reused=finished is not None)
    return answer(view, status.HTTP_200_OK if finished else status.HTTP_202_ACCEPTED, headers)


def _finder(app: AppState, principal: Principal) -> Callable[[str], StoredDataset | None]:
    def find(name: str) -> StoredDataset | None:
        with app.database.transaction() as session, suppress(NotThere):
            return datasets.get(session, name, principal.viewer)
        return None

    return find


def _repeated(app: AppState, principal: Principal, asked: Idempotency | None) -> bool:
    if asked is None:
        return False
    with app.database.transaction() as session:
        return repeated(session, principal.owner, asked)


def _finished_before(
    app: AppState, principal: Principal, submission: Submission, options: Options
) -> Submitted | None:
    """A finished job with undamaged files, if reuse was requested and there is one.

    An administrator reuses the jobs that its owner sees, and no others.
    """
    if options.reuse == "never":
        return None
    viewer = Viewer(principal.owner, principal.teams)
    with app.database.transaction() as session:
        job = reusable(session, viewer, spec_hash(submission.spec))
        files = artifacts.of_job(session, job.id) if job else ()
    if job is None or not all(app.blobs.has(file.digest) for file in files):
        return None
    return Submitted(job, created=False)


def _idempotency(key: str | None, body: bytes) -> Idempotency | None:
    return None if key is None else Idempotency(key, hashlib.sha256(body).hexdigest())
