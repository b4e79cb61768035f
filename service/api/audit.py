"""``GET /v1/audit``: who did what."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from service.api.access import AdminDep
from service.api.parts import PartsDep
from service.api.problems import Forbidden, InvalidRequest, answers
from service.store import audit

router = APIRouter(tags=["audit"])


class AuditView(BaseModel):
    """Something that somebody did."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    owner: str = Field(description="who")
    key_id: str | None = Field(description="with which key")
    action: str = Field(description="what, such as 'job.cancel'")
    subject: str = Field(description="to what")
    request_id: str | None
    detail: dict[str, Any]


class AuditPage(BaseModel):
    """Entries, newest first."""

    entries: list[AuditView]


@router.get("/audit", summary="Who did what", responses=answers(Forbidden, InvalidRequest))
def list_audit(
    _: AdminDep,
    parts: PartsDep,
    before: Annotated[
        int | None, Query(ge=1, lt=2**63, description="id of an entry; those before it")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AuditPage:
    """Everything that changed something, newest first."""
    with parts.database.transaction() as session:
        found = audit.page(session, before, limit)
    return AuditPage(entries=[AuditView.model_validate(entry) for entry in found])
