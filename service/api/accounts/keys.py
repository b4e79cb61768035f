"""``/v1/keys``: administrators create and revoke keys."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from lth.client.tokens import new_token
from service.api.accounts.access import AdminDep
from service.api.accounts.key_cache import KeyCacheDep
from service.api.http.documents import PLAIN, JsonBytes, json_body, parse_json, validated
from service.api.http.paging import Cursor, Limit, Paged
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
from service.store.accounts import audit, keys
from service.store.accounts.owners import NAME
from service.store.tables import Role

router = APIRouter(tags=["keys"], responses=answers(Forbidden))

_NO_END = datetime(9000, 1, 1, tzinfo=UTC)
"""Moments after this one cannot be converted to every time zone in Python."""


class NewKey(BaseModel):
    """A key to be created."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"owner": "ada", "role": "member", "name": "laptop"}]},
    )

    owner: str = Field(pattern=NAME, description="the person or team whose key it is")
    role: Role = Field(
        description="'reader' looks, 'member' also submits, 'admin' sees and does everything"
    )
    name: str = Field(default="", max_length=100, pattern=PLAIN, description="what it is for")
    expires_at: AwareDatetime | None = Field(default=None, description="not valid from then on")

    @field_validator("expires_at")
    @classmethod
    def _in_the_future(cls, value: datetime | None) -> datetime | None:
        if value is not None and value <= datetime.now(UTC):
            raise ValueError(f"{value.isoformat()} is in the past; give a moment to come")
        if value is not None and value >= _NO_END:
            raise ValueError(f"{value.isoformat()} never comes; leave it out for a key without end")
        return value


class KeyView(BaseModel):
    """A key, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    prefix: str = Field(description="the key's first characters")
    owner: str
    role: Role
    name: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None = Field(description="about when it was last used")
    revoked_at: datetime | None


class MadeKey(KeyView):
    """A new key with its secret, which is shown only once."""

    key: str = Field(description="the key itself; it cannot be shown again")


class KeyPage(Paged):
    """A page of keys, newest first."""

    keys: list[KeyView]


_NEW_KEY: TypeAdapter[NewKey] = TypeAdapter(NewKey)


@router.post(
    "/keys",
    status_code=status.HTTP_201_CREATED,
    summary="Make a key",
    openapi_extra=json_body(NewKey),
    responses=answers(MalformedBody, BodyTooLarge, UnsupportedMediaType, InvalidRequest),
)
def make_key(principal: AdminDep, body: JsonBytes, app: AppStateDep) -> MadeKey:
    """Create a key. Only this response shows it; the service stores a hash."""
    wanted = validated(_NEW_KEY, parse_json(body))
    token = new_token()
    with app.database.transaction() as session:
        key = keys.create(session, token, **wanted.model_dump())
        audit.record(session, principal.actor, "key.create", key.id, owner=key.owner, role=key.role)
    return MadeKey(**KeyView.model_validate(key).model_dump(), key=token)


@router.get("/keys", summary="List keys", responses=answers(InvalidRequest))
def list_keys(
    _: AdminDep,
    app: AppStateDep,
    owner: Annotated[str | None, Query(pattern=NAME, description="of this owner alone")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> KeyPage:
    """Keys, including revoked ones, newest first."""
    with app.database.transaction() as session:
        found = keys.page(session, owner, cursor, limit)
    listed = [KeyView.model_validate(key) for key in found.rows]
    return KeyPage(keys=listed, cursor=found.cursor)


@router.delete("/keys/{key_id}", summary="Revoke a key", responses=answers(NotFound))
def revoke_key(
    key_id: Annotated[str, Path(examples=["key_0199f0c2a5d87c3e8a51f2f7f9d1c001"])],
    principal: AdminDep,
    app: AppStateDep,
    key_cache: KeyCacheDep,
) -> KeyView:
    """Revoke a key. The data of its owner stays.

    Other API processes are notified at once.
    """
    with app.database.transaction() as session:
        key = keys.revoke(session, key_id)
        audit.record(session, principal.actor, "key.revoke", key.id, owner=key.owner)
    key_cache.forget()
    return KeyView.model_validate(key)
