"""``/healthz`` and ``/readyz``, for supervisors and load balancers."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from lth.client.proofs import proof
from service.api.http.problems import InvalidRequest, Unavailable, answers
from service.api.http.state import AppStateDep

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = Field(default="ok", description="alive, and able to answer")


class Alive(Health):
    """The process is alive, with its identity."""

    proof: str | None = Field(
        default=None,
        description="HMAC-SHA256 of the challenge, as hexadecimal digits, under the secret of the "
        "local stack; absent without a challenge, and outside of a local stack",
    )


@router.get(
    "/healthz",
    summary="Whether the process is alive",
    response_model_exclude_none=True,
    responses=answers(InvalidRequest),
)
async def healthz(
    request: Request,
    challenge: Annotated[
        str | None,
        Query(max_length=100, description="text for which the local stack proves that it answers"),
    ] = None,
) -> Alive:
    """Answers if the process works. It asks no other part. Needs no key."""
    secret = request.app.state.settings.stack_secret
    if challenge is None or secret is None:
        return Alive()
    return Alive(proof=proof(secret.get_secret_value(), challenge))


@router.get("/readyz", summary="Whether requests can be served", responses=answers(Unavailable))
def readyz(app: AppStateDep) -> Health:
    """Answers 200 if Postgres and the object store answer. Needs no key.

    The broker is not checked: without it, jobs are still accepted, and idle workers still find
    them.
    """
    app.database.ping()
    app.blobs.ping()
    return Health()
