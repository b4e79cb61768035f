"""``GET /v1/audit``: the audit log."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from service.api.accounts.access import AdminDep
from service.api.http.paging import Cursor, Limit, Paged
from service.api.http.problems import Forbidden, InvalidRequest, answers
from service.api.http.state import AppStateDep
from service.store.accounts import audit

router = APIRouter(tags=["audit"])


class AuditView(BaseModel):
    """An entry of the audit log."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    owner: str = Field(description="who")
    key_id: str | None = Field(description="with which key")
    action: str = Field(description="what, such as 'job.cancel'")
    subject: str = Field(description="to what")
    request_id: str | None
    detail: dict[str, Any]


class AuditPage(Paged):
    """A page of entries, newest first."""

    entries: list[AuditView]


@router.get("/audit", summary="Who did what", responses=answers(Forbidden, InvalidRequest))
def list_audit(
    _: AdminDep, app: AppStateDep, cursor: Cursor = None, limit: Limit = 50
) -> AuditPage:
    """All changes, newest first."""
    with app.database.transaction() as session:
        found = audit.page(session, cursor, limit)
    entries = [AuditView.model_validate(entry) for entry in found.rows]
    return AuditPage(entries=entries, cursor=found.cursor)
