"""The files that a job left behind: listed, fetched, and masks and plots by their short names."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from lth.artifacts import MASKS
from service.api.artifacts.sending import FILE_ANSWERS, Conditions, send
from service.api.artifacts.shapes import ArtifactList, artifact_view
from service.api.jobs.lookup import JobDep
from service.api.parts import PartsDep
from service.api.problems import InvalidRequest, NotFound, answers
from service.store import artifacts

router = APIRouter(tags=["artifacts"])

RunKey = Annotated[
    str | None,
    Query(
        description="key of the run; default: the report, or else the first run that has the file",
        pattern=r"^[^\x00]{1,200}$",
        examples=["trial-1/ticket"],
    ),
]


@router.get("/jobs/{job_id}/artifacts", summary="List a job's files", responses=answers(NotFound))
def list_artifacts(job: JobDep, parts: PartsDep) -> ArtifactList:
    """Every file of the runs that have ended, by name."""
    with parts.database.transaction() as session:
        found = artifacts.of_job(session, job.id)
    return ArtifactList(artifacts=[artifact_view(job.id, artifact) for artifact in found])


@router.get(
    "/jobs/{job_id}/artifacts/{name:path}",
    summary="Fetch a file",
    response_class=Response,
    responses=FILE_ANSWERS,
)
def fetch_artifact(
    job: JobDep,
    parts: PartsDep,
    request: Request,
    conditions: Annotated[Conditions, Header()],
    name: Annotated[str, Path(examples=["trial-1/ticket/masks.npz"])],
) -> Response:
    """The bytes of a file; the entity tag is their SHA-256.

    On S3 the answer is a redirect to the object store, unless the service is set to proxy.
    """
    with parts.database.transaction() as session:
        artifact = artifacts.get(session, job.id, name.replace("\0", ""))
    return send(artifact, parts, conditions, request)


@router.get(
    "/jobs/{job_id}/masks",
    summary="Fetch the masks",
    response_class=Response,
    responses={**FILE_ANSWERS, **answers(InvalidRequest)},
)
def fetch_masks(
    job: JobDep,
    parts: PartsDep,
    request: Request,
    conditions: Annotated[Conditions, Header()],
    run: RunKey = None,
) -> Response:
    """An npz of boolean arrays `level-N/LAYER`; True is kept."""
    with parts.database.transaction() as session:
        artifact = artifacts.first(session, job.id, MASKS, run)
    return send(artifact, parts, conditions, request)


@router.get(
    "/jobs/{job_id}/plots/{name}",
    summary="Fetch a plot",
    response_class=Response,
    responses={**FILE_ANSWERS, **answers(InvalidRequest)},
)
def fetch_plot(
    job: JobDep,
    parts: PartsDep,
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
    """A picture, of one run or of the report."""
    with parts.database.transaction() as session:
        ending = f"plots/{name}".replace("\0", "")
        artifact = artifacts.first(session, job.id, ending, run)
    return send(artifact, parts, conditions, request)
