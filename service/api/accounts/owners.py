"""``/v1/owners``: usage and quota of each owner."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from service.api.accounts.access import AdminDep, ReaderDep
from service.api.http.documents import JsonBytes, json_body, parse_json, validated
from service.api.http.problems import (
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    MalformedBody,
    NotFound,
    UnsupportedMediaType,
    answers,
)
from service.api.http.state import AppStateDep
from service.store.accounts import audit, owners
from service.store.accounts.owners import NAME, Holdings, Quota
from service.store.tables import Owner

router = APIRouter(tags=["owners"])


class QuotaDocument(BaseModel):
    """The quota of an owner; null means unlimited."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    weight: float = Field(
        default=1.0, gt=0, le=1_000, description="share of the workers, relative to other owners'"
    )
    max_running: int | None = Field(default=None, ge=0, lt=2**31, description="runs at once")
    max_queued: int | None = Field(default=None, ge=0, lt=2**31, description="unfinished jobs")
    max_stored_bytes: int | None = Field(
        default=None, ge=0, lt=2**63, description="files of jobs and data sets"
    )


class OwnerView(BaseModel):
    """An owner with quota and usage."""

    name: str
    quota: QuotaDocument
    running_runs: int
    unfinished_jobs: int
    stored_bytes: int


class OwnerList(BaseModel):
    """The visible owners, by name."""

    owners: list[OwnerView]


_QUOTA: TypeAdapter[QuotaDocument] = TypeAdapter(QuotaDocument)


OwnerName = Annotated[str, Path(pattern=NAME, description="the owner", examples=["ada"])]


@router.get("/owners", summary="List owners")
def list_owners(principal: ReaderDep, app: AppStateDep) -> OwnerList:
    """Your own usage and quota; administrators see all owners."""
    with app.database.transaction() as session:
        viewer = principal.viewer
        found = owners.with_holdings(session, None if viewer is None else viewer.owner)
    return OwnerList(owners=[_view(owner, held) for owner, held in found])


@router.put(
    "/owners/{name}/quota",
    summary="Set what an owner may have",
    openapi_extra=json_body(QuotaDocument),
    responses=answers(
        MalformedBody, Forbidden, NotFound, BodyTooLarge, UnsupportedMediaType, InvalidRequest
    ),
)
def set_quota(name: OwnerName, principal: AdminDep, body: JsonBytes, app: AppStateDep) -> OwnerView:
    """Takes effect at the next claim or submission. Omitted fields return to their defaults."""
    wanted = validated(_QUOTA, parse_json(body))
    with app.database.transaction() as session:
        owners.set_quota(session, name, Quota(**wanted.model_dump()))
        audit.record(session, principal.actor, "owner.quota", name, **wanted.model_dump())
        ((owner, held),) = owners.with_holdings(session, name)
    return _view(owner, held)


def _view(owner: Owner, held: Holdings) -> OwnerView:
    return OwnerView(
        name=owner.name,
        quota=QuotaDocument.model_validate(owner),
        running_runs=held.running_runs,
        unfinished_jobs=held.unfinished_jobs,
        stored_bytes=held.stored_bytes,
    )
