"""``/healthz`` and ``/readyz``: for whoever restarts us, and whoever sends us requests."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.api.parts import PartsDep
from service.api.problems import Unavailable, answers

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = Field(default="ok", description="alive, and able to answer")


@router.get("/healthz", summary="Whether the process is alive")
async def healthz() -> Health:
    """Answers as long as the process can; asks nobody else. Needs no key."""
    return Health()


@router.get("/readyz", summary="Whether requests can be served", responses=answers(Unavailable))
def readyz(parts: PartsDep) -> Health:
    """Answers 200 when Postgres and the blob store do. Needs no key.

    The broker is not asked: without it jobs are still accepted, and found by the sweeper.
    """
    parts.database.ping()
    parts.blobs.ping()
    return Health()
