"""``/v1/datasets``: upload, list, show and delete data sets."""

from dataclasses import asdict
from datetime import datetime
from io import SEEK_END
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Path, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from lth.networks.channels import channels_first
from service.api.accounts.access import MemberDep, ReaderDep
from service.api.accounts.sharing import check_team, usual_team
from service.api.datasets.archives import BadArchive
from service.api.datasets.contents import (
    check_file,
    conversion_of,
    dtype_of,
    restored,
    stored,
)
from service.api.datasets.converting import NpzDep
from service.api.datasets.named import NamedDataset, named_datasets
from service.api.datasets.receiving import MEDIA_TYPES
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
from service.converting.messages import Format
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
        "x_validation and y_validation (or x_val and y_val); or with x and y; x: uint8 or floats "
        "[samples, features], [samples, height, width] or [samples, height, width, channels], y: "
        "whole numbers [samples] from 0 on. Or a zip file of images in PNG or JPEG, all of the "
        "same size, with the paths CLASS/NAME.png or train/CLASS/NAME.png (and test, validation). "
        "Or a CSV or Parquet file with a column of labels and columns of numbers; a column `split` "
        "with train, test and validation makes the parts. Without test samples, a fifth of the "
        "samples is set aside",
        "content": dict.fromkeys(MEDIA_TYPES, _FILE),
    }
}
_LOCATION = {"Location": {"schema": {"type": "string"}, "description": "where the data set is"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The data set existed", "headers": _LOCATION},
    201: {"description": "The data set is stored", "headers": _LOCATION},
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
    dtype: Literal["uint8", "float32"] | None = Field(
        description="of the samples; null for data sets of earlier versions"
    )
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
    format: Literal["npz"] | Format = Field(description="of the uploaded file")
    class_names: tuple[str, ...] | None = Field(
        description="the name of each class, in the order of the labels; null for npz files, and "
        "in lists"
    )
    remarks: list[str] = Field(
        description="what may be wrong with it, and what was decided when it was converted"
    )
    created_at: datetime


class DatasetPage(Paged):
    """A page of data sets, newest first."""

    named: list[NamedDataset] = Field(
        description="on the first page: the data sets that a spec names by their kind"
    )
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
    npz: NpzDep,
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
    """Upload an npz file, a zip of images, a CSV file or a Parquet file.

    Sizes and headers are checked before anything is decoded. No pickle is read; arrays of objects
    are refused. Images and tables are converted to an npz file, once. If the same content is
    uploaded again with the same name and team, the answer is the existing data set.
    """
    if team:
        check_team(app, principal, team)
    seen_by = usual_team(app, principal) if team is None else team or None
    try:
        checked, decoded = check_file(npz.file, app.settings.max_dataset_bytes)
    except BadArchive as error:
        raise InvalidDataset(str(error)) from None
    with app.database.transaction() as session:
        owners.check_room(session, principal.owner, datasets.counted(_size(npz.file), decoded))
    blob = saving.save_file(app.database, app.blobs, npz.file)
    facts = stored(checked, npz.conversion)
    with app.database.transaction() as session:
        dataset = datasets.same(session, principal.owner, name, blob, facts, seen_by)
        if dataset is None:
            dataset = datasets.add(session, principal.owner, name, blob, facts, decoded, seen_by)
            audit.record(session, principal.actor, "dataset.upload", dataset.id, name=name)
        else:
            response.status_code = status.HTTP_200_OK
    response.headers["Location"] = f"/v1/datasets/{dataset.id}"
    return _view(dataset)


@router.get("/datasets", summary="List data sets", responses=answers(InvalidRequest))
def list_datasets(
    principal: ReaderDep,
    app: AppStateDep,
    cursor: Cursor = None,
    limit: Limit = 50,
    digest: Annotated[
        str | None,
        Query(pattern="^[0-9a-f]{64}$", description="only uploaded data sets with this digest"),
    ] = None,
) -> DatasetPage:
    """Your uploaded data sets and those of your teams, newest first; administrators see all.

    The first page also has the data sets that a spec names by their kind.
    """
    with app.database.transaction() as session:
        found = datasets.page(session, principal.viewer, cursor, limit, digest)
        named = named_datasets(session) if cursor is None and digest is None else []
    listed = [_view(dataset).model_copy(update={"class_names": None}) for dataset in found.rows]
    return DatasetPage(named=named, datasets=listed, cursor=found.cursor)


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
    checked, conversion = restored(dataset.facts), conversion_of(dataset.facts)
    remark = channels_first(checked.facts.shape)
    remarks = [remark] if remark else []
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
        dtype=dtype_of(dataset.facts),
        format=conversion.format if conversion else "npz",
        class_names=conversion.class_names if conversion else None,
        remarks=[*remarks, *(conversion.remarks if conversion else ())],
    )
