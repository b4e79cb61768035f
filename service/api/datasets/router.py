"""``/v1/datasets``: upload, list, show and delete data sets."""

from dataclasses import asdict
from datetime import datetime
from io import SEEK_END
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Path, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from lth.networks.channels import channels_first
from service.api.accounts.access import MemberDep, ReaderDep
from service.api.accounts.sharing import check_team, usual_team
from service.api.datasets.archives import BadArchive
from service.api.datasets.contents import check_file, restored, stored
from service.api.datasets.receiving import MEDIA_TYPES, UploadDep
from service.api.http.documents import PLAIN, JsonBytes, json_body, parse_json, validated
from service.api.http.paging import Cursor, Limit, Paged
from service.api.http.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    InsufficientStorage,
    InvalidDataset,
    InvalidRequest,
    MalformedBody,
    NotFound,
    QuotaExceeded,
    TooManyRequests,
    UnsupportedMediaType,
    answers,
)
from service.api.http.state import AppStateDep
from service.store.accounts import audit, owners
from service.store.accounts.owners import NAME
from service.store.blobs import datasets, saving
from service.store.tables import StoredDataset

router = APIRouter(tags=["datasets"])

_FILE = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "an npz file with x_train and y_train, and optionally x_test and y_test, "
        "x_validation and y_validation; or with x and y; without test samples, a fifth of the "
        "samples is set aside; x: uint8 or floats [samples, features], [samples, height, width] or "
        "[samples, height, width, channels], y: whole numbers [samples] from 0 on",
        "content": dict.fromkeys(MEDIA_TYPES, _FILE),
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    201: {
        "description": "The data set is stored",
        "headers": {
            "Location": {"schema": {"type": "string"}, "description": "where the data set is"}
        },
    },
    **answers(
        Forbidden,
        BodyTooLarge,
        UnsupportedMediaType,
        InvalidDataset,
        InvalidRequest,
        MalformedBody,
        TooManyRequests,
        QuotaExceeded,
        InsufficientStorage,
    ),
}


class DatasetView(BaseModel):
    """An uploaded data set. A spec names it as `{"kind": "uploaded", "id": ...}`."""

    id: str = Field(examples=["ds_0199f0c2a5d87c3e8a51f2f7f9d1c001"])
    name: str
    owner: str
    team: str | None = Field(description="the team that sees and uses it; null: only its owner")
    size: int = Field(description="of the file, in bytes")
    decoded_size: int = Field(
        description="of its arrays, in bytes; the larger of both sizes counts as stored"
    )
    digest: str = Field(description="SHA-256 of the file, hexadecimal")
    shape: tuple[int, ...] = Field(description="of one sample")
    classes: int
    train: int = Field(description="training samples, those for validation among them")
    test: int = Field(description="test samples")
    validation: int = Field(
        description="training samples that the file gives for validation; 0: each trial draws them"
    )
    float_range: tuple[float, float] | None = Field(
        description="smallest and largest value of float samples; null for bytes, and for data "
        "sets of earlier versions"
    )
    remarks: list[str] = Field(description="what may be wrong with it, in sentences")
    created_at: datetime


class DatasetPage(Paged):
    """A page of data sets, newest first."""

    datasets: list[DatasetView]


DatasetId = Annotated[
    str, Path(description="the data set's id", examples=["ds_0199f0c2a5d87c3e8a51f2f7f9d1c001"])
]


@router.post(
    "/datasets",
    status_code=status.HTTP_201_CREATED,
    summary="Upload a data set",
    openapi_extra=_BODY,
    responses=_ANSWERS,
)
def upload_dataset(
    principal: MemberDep,
    file: UploadDep,
    app: AppStateDep,
    response: Response,
    name: Annotated[
        str,
        Query(min_length=1, max_length=200, pattern=PLAIN, description="shown in lists"),
    ],
    team: Annotated[
        str | None,
        Query(
            pattern=rf"{NAME}|^$",
            description="a team of yours that sees and uses the data set; empty: only you; "
            "default: as the service is set up",
        ),
    ] = None,
) -> DatasetView:
    """Upload an npz file. Sizes and headers are checked before anything is decoded.

    No pickle is read; arrays of objects are refused.
    """
    if team:
        check_team(app, principal, team)
    seen_by = usual_team(app, principal) if team is None else team or None
    try:
        checked, decoded = check_file(file, app.settings.max_dataset_bytes)
    except BadArchive as error:
        raise InvalidDataset(str(error)) from None
    with app.database.transaction() as session:
        owners.check_room(session, principal.owner, datasets.counted(_size(file), decoded))
    blob = saving.save_file(app.database, app.blobs, file)
    with app.database.transaction() as session:
        dataset = datasets.add(
            session, principal.owner, name, blob, stored(checked), decoded, seen_by
        )
        audit.record(session, principal.actor, "dataset.upload", dataset.id, name=name)
    response.headers["Location"] = f"/v1/datasets/{dataset.id}"
    return _view(dataset)


@router.get("/datasets", summary="List data sets", responses=answers(InvalidRequest))
def list_datasets(
    principal: ReaderDep,
    app: AppStateDep,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> DatasetPage:
    """Your uploaded data sets and those of your teams, newest first; administrators see all."""
    with app.database.transaction() as session:
        found = datasets.page(session, principal.viewer, cursor, limit)
    return DatasetPage(datasets=[_view(dataset) for dataset in found.rows], cursor=found.cursor)


@router.get("/datasets/{dataset_id}", summary="Look at a data set", responses=answers(NotFound))
def show_dataset(dataset_id: DatasetId, principal: ReaderDep, app: AppStateDep) -> DatasetView:
    """The facts of an uploaded data set."""
    with app.database.transaction() as session:
        return _view(datasets.get(session, dataset_id, principal.viewer))


class DatasetChange(BaseModel):
    """A change of a data set."""

    model_config = ConfigDict(extra="forbid")

    team: str | None = Field(
        pattern=NAME, description="a team of yours that sees and uses it; null: only you"
    )


_CHANGE: TypeAdapter[DatasetChange] = TypeAdapter(DatasetChange)


@router.patch(
    "/datasets/{dataset_id}",
    summary="Change the team of a data set",
    openapi_extra=json_body(DatasetChange),
    responses=answers(
        MalformedBody, Forbidden, NotFound, BodyTooLarge, UnsupportedMediaType, InvalidRequest
    ),
)
def change_dataset(
    dataset_id: DatasetId, principal: MemberDep, body: JsonBytes, app: AppStateDep
) -> DatasetView:
    """Jobs that were submitted keep using it."""
    team = validated(_CHANGE, parse_json(body)).team
    if team is not None:
        check_team(app, principal, team)
    with app.database.transaction() as session:
        dataset = datasets.get(session, dataset_id, principal.viewer)
        principal.check_may_change(dataset)
        dataset.team = team
        audit.record(session, principal.actor, "dataset.change", dataset.id, team=team)
    return _view(dataset)


@router.delete(
    "/datasets/{dataset_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a data set",
    responses=answers(Forbidden, NotFound, Conflict),
)
def delete_dataset(dataset_id: DatasetId, principal: MemberDep, app: AppStateDep) -> Response:
    """Delete a data set that no job uses. The space is freed later."""
    with app.database.transaction() as session:
        dataset = datasets.get(session, dataset_id, principal.viewer)
        principal.check_may_change(dataset)
        datasets.delete(session, dataset)
        audit.record(session, principal.actor, "dataset.delete", dataset.id, name=dataset.name)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


def _size(file: BinaryIO) -> int:
    return file.seek(0, SEEK_END)


def _view(dataset: StoredDataset) -> DatasetView:
    checked = restored(dataset.facts)
    remark = channels_first(checked.facts.shape)
    return DatasetView(
        id=dataset.id,
        name=dataset.name,
        owner=dataset.owner,
        team=dataset.team,
        size=dataset.size,
        decoded_size=dataset.decoded_size,
        digest=dataset.digest,
        created_at=dataset.created_at,
        **asdict(checked.facts),
        validation=checked.held_out,
        float_range=checked.float_range,
        remarks=[remark] if remark else [],
    )
