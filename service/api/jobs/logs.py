"""``GET /v1/jobs/{job_id}/runs/{run}/log``: the log of a run."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from service.api.http.problems import NotFound, answers
from service.api.http.state import AppStateDep
from service.api.jobs.lookup import JobDep
from service.store.runs import runs

router = APIRouter(tags=["jobs"])


@router.get(
    "/jobs/{job_id}/runs/{run:path}/log",
    summary="What a run logged",
    response_class=PlainTextResponse,
    responses=answers(NotFound),
)
def get_log(
    job: JobDep,
    app: AppStateDep,
    run: Annotated[str, Path(description="the run's key", examples=["trial-1/ticket"])],
) -> Response:
    """The log of the run's last finished attempt; empty if there is none."""
    with app.database.transaction() as session:
        found = runs.get(session, job.id, run)
    if found.log_digest is None:
        return PlainTextResponse(found.log_tail or "")
    return StreamingResponse(app.blobs.stream(found.log_digest), media_type="text/plain")
