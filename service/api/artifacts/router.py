"""Endpoints for the files of a job: list, fetch, and short names for masks and plots."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from lth.results.artifacts import MASKS
from service.api.artifacts.making import Maker, MakerDep
from service.api.artifacts.sending import FILE_ANSWERS, Conditions, send
from service.api.artifacts.shapes import ArtifactList, listed
from service.api.artifacts.views import Unmade, find, find_plot, views
from service.api.http.paging import Cursor, RunLimit
from service.api.http.problems import InvalidRequest, NotFound, answers
from service.api.http.state import AppState, AppStateDep
from service.api.jobs.lookup import JobDep
from service.store.runs import artifacts, runs
from service.store.tables import Artifact, Job

router = APIRouter(tags=["artifacts"])

RunKey = Annotated[
    str | None,
    Query(
        description="key of the run; default: the whole job, or else the first run that has it",
        pattern=r"^[^\x00]{1,200}$",
        examples=["trial-1/ticket"],
    ),
]


@router.get(
    "/jobs/{job_id}/artifacts",
    summary="List a job's files",
    responses=answers(NotFound, InvalidRequest),
)
def list_artifacts(
    job: JobDep, app: AppStateDep, cursor: Cursor = None, limit: RunLimit = 200
) -> ArtifactList:
    """The files of the runs, and those of the whole job.

    A run that goes on has the files of its finished levels. Each level adds files, and replaces the
    masks.

    A page lists the files of some runs, in the order of the plan. The first page also lists the
    files of the whole job.

    Pictures are drawn when they are first fetched. Until then they have no size and no digest.
    Files of the whole job, under `report/`, are created for each fetch until the job has succeeded.
    """
    with app.database.transaction() as session:
        found = runs.page(session, job.id, cursor, limit)
        run_ids = [run.id for run in found.rows]
        whole = [] if cursor else artifacts.of_whole_job(session, job.id)
        stored = [*whole, *artifacts.of_runs(session, run_ids)]
        finished = runs.with_result(session, job.id, among=run_ids)
    made = views(job, finished, {file.name for file in stored}, whole=cursor is None)
    return listed(job.id, stored, made, found.cursor)


@router.get(
    "/jobs/{job_id}/artifacts/{name:path}",
    summary="Fetch a file",
    response_class=Response,
    responses=FILE_ANSWERS,
)
async def fetch_artifact(
    job: JobDep,
    app: AppStateDep,
    maker: MakerDep,
    request: Request,
    conditions: Annotated[Conditions, Header()],
    name: Annotated[str, Path(examples=["trial-1/ticket/masks.npz"])],
) -> Response:
    """The bytes of a file, with its SHA-256 as the entity tag. A picture is drawn if necessary.

    With S3, the response redirects to the object store, unless the service is configured as a
    proxy.
    """
    file = await _found(job, app, maker, lambda session: find(session, job, name))
    return await run_in_threadpool(send, file, app, conditions, request)


@router.get(
    "/jobs/{job_id}/masks",
    summary="Fetch the masks",
    response_class=Response,
    responses={**FILE_ANSWERS, **answers(InvalidRequest)},
)
def fetch_masks(
    job: JobDep,
    app: AppStateDep,
    request: Request,
    conditions: Annotated[Conditions, Header()],
    run: RunKey = None,
) -> Response:
    """An npz of boolean arrays `level-N/LAYER`; True means kept."""
    with app.database.transaction() as session:
        artifact = artifacts.first(session, job.id, MASKS, run)
    return send(artifact, app, conditions, request)


@router.get(
    "/jobs/{job_id}/plots/{name}",
    summary="Fetch a plot",
    response_class=Response,
    responses={**FILE_ANSWERS, **answers(InvalidRequest)},
)
async def fetch_plot(
    job: JobDep,
    app: AppStateDep,
    maker: MakerDep,
    request: Request,
    conditions: Annotated[Conditions, Header()],
    name: Annotated[
        str,
        Path(
            description="name of the plot with '.png' or '.svg'",
            examples=["learning.png", "sparsity.svg"],
        ),
    ],
    run: RunKey = None,
) -> Response:
    """A picture of one run or of the whole job. It is drawn if necessary."""
    file = await _found(job, app, maker, lambda session: find_plot(session, job, name, run))
    return await run_in_threadpool(send, file, app, conditions, request)


async def _found(
    job: Job, app: AppState, maker: Maker, look: Callable[[Session], Artifact | Unmade]
) -> Artifact:
    """The file that `look` finds, drawn if necessary, without blocking a thread."""

    def found() -> Artifact | Unmade:
        with app.database.transaction() as session:
            return look(session)

    file = await run_in_threadpool(found)
    if isinstance(file, Unmade):
        return (await maker.make(job, file.view))[file.name]
    return file
