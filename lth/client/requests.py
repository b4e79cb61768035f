"""All requests of the API. Both clients send them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Generic, TypedDict, TypeVar, Unpack
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError

from lth.client.documents import Document, JobFields, plain_document
from lth.client.errors import NotTheService, place
from lth.client.locating import CONNECT_SECONDS
from lth.client.models import (
    ArtifactList,
    DatasetPage,
    Job,
    JobPage,
    JobState,
    Key,
    KeyPage,
    MadeKey,
    OwnerList,
    Plan,
    Queue,
    Results,
    Role,
    RunList,
    StoredDataset,
    Team,
    TeamList,
    WebhookSecret,
    WorkerList,
)
from lth.core.plain_data import require_plain

LARGEST_PAGE = 200
"""The most jobs in one page."""

_UPLOAD_TIMEOUT = httpx.Timeout(3_600.0, connect=CONNECT_SECONDS)
"""The service answers when it has converted the file."""

Answer = TypeVar("Answer")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Request(Generic[Answer]):
    """A request, and a function that reads its response.

    Attributes:
        file: the file whose bytes are the body.
        timeout: how long each step of the request may take; None for the time of the client.
        idempotent: whether sending it twice has the same effect as sending it once. Only such
            requests are retried.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], Answer]
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    file: Path | IO[bytes] | None = None
    idempotent: bool = True
    timeout: httpx.Timeout | None = None


class Filters(TypedDict, total=False):
    """Filters of jobs; see `job_page`."""

    states: Sequence[JobState]
    labels: Mapping[str, str] | None
    owner: str | None
    mine: bool
    team: str | None
    text: str | None
    created_from: datetime | None
    created_before: datetime | None
    spec_hash: str | None
    dataset: str | None
    network: str | None
    min_accuracy: float | None


def submit(
    document: Document, *, idempotency_key: str | None = None, **fields: Unpack[JobFields]
) -> Request[Job]:
    """Submit a job. The idempotency key, by default a random one, makes a retry safe."""
    headers = {"Idempotency-Key": idempotency_key or uuid4().hex}
    body = plain_document(document, fields)
    return Request("POST", "/v1/jobs", _model(Job), headers=headers, json=body)


def estimate(document: Document, **fields: Unpack[JobFields]) -> Request[Plan]:
    """Validate a document without submitting it; returns its plan and an estimate."""
    params, body = {"validate_only": "true"}, plain_document(document, fields)
    return Request("POST", "/v1/jobs", _model(Plan), params=params, json=body)


def job(job_id: str) -> Request[Job]:
    """Get a job."""
    return Request("GET", f"/v1/jobs/{part(job_id)}", _model(Job))


def job_page(
    *,
    states: Sequence[JobState] = (),
    labels: Mapping[str, str] | None = None,
    owner: str | None = None,
    mine: bool = False,
    team: str | None = None,
    text: str | None = None,
    created_from: datetime | None = None,
    created_before: datetime | None = None,
    spec_hash: str | None = None,
    dataset: str | None = None,
    network: str | None = None,
    min_accuracy: float | None = None,
    limit: int = LARGEST_PAGE,
    cursor: str | None = None,
) -> Request[JobPage]:
    """A page of jobs, newest first.

    Args:
        states: only jobs in one of these states.
        labels: only jobs with all of these labels.
        owner: only jobs of this owner.
        mine: only jobs of the owner of the key.
        team: only jobs that this team sees.
        text: only jobs with this text in their name.
        created_from: only jobs created at this moment or later.
        created_before: only jobs created before this moment.
        spec_hash: only jobs with this spec.
        dataset: only jobs on this kind of data set, or on the uploaded one with this id.
        network: only jobs with this kind of network.
        min_accuracy: only jobs whose best accuracy is at least this, 0 to 1.
        limit: the most jobs.
        cursor: cursor of the previous page.
    """
    said = {
        "state": list(states),
        "label": [f"{name}={value}" for name, value in (labels or {}).items()],
        "owner": owner,
        "mine": True if mine else None,
        "team": team,
        "text": text,
        "created_from": created_from.isoformat() if created_from else None,
        "created_before": created_before.isoformat() if created_before else None,
        "spec_hash": spec_hash,
        "dataset": dataset,
        "network": network,
        "min_accuracy": min_accuracy,
        "limit": limit,
        "cursor": cursor,
    }
    params = {name: value for name, value in said.items() if value not in (None, [])}
    return Request("GET", "/v1/jobs", _model(JobPage), params=params)


def cancel(job_id: str) -> Request[Job]:
    """Cancel a job."""
    return Request("POST", f"/v1/jobs/{part(job_id)}/cancel", _model(Job))


def retry(job_id: str, *, afresh: bool = False) -> Request[Job]:
    """Queue failed and cancelled runs again, from their last checkpoint, or afresh."""
    params = {"afresh": "true"} if afresh else {}
    path = f"/v1/jobs/{part(job_id)}/retry"
    return Request("POST", path, _model(Job), params=params, idempotent=False)


def delete(job_id: str) -> Request[None]:
    """Delete a finished job and its files."""
    return Request("DELETE", f"/v1/jobs/{part(job_id)}", _nothing, idempotent=False)


def runs(job_id: str, cursor: str | None = None) -> Request[RunList]:
    """A page of the runs of a job, in the order of its plan."""
    path = f"/v1/jobs/{part(job_id)}/runs"
    return Request("GET", path, _model(RunList), params=_after(cursor))


def results(job_id: str, cursor: str | None = None) -> Request[Results]:
    """A page of the results of a job's finished experiments."""
    path = f"/v1/jobs/{part(job_id)}/results"
    return Request("GET", path, _model(Results), params=_after(cursor))


def summary(job_id: str) -> Request[dict[str, Any]]:
    """The statistics of a job over its trials."""
    return Request("GET", f"/v1/jobs/{part(job_id)}/summary", _json)


def log(job_id: str, run: str) -> Request[str]:
    """The log of a run's last finished attempt."""
    path = f"/v1/jobs/{part(job_id)}/runs/{quote(run)}/log"
    return Request("GET", path, lambda answer: answer.text)


def artifacts(job_id: str, cursor: str | None = None) -> Request[ArtifactList]:
    """A page of the files of a job."""
    path = f"/v1/jobs/{part(job_id)}/artifacts"
    return Request("GET", path, _model(ArtifactList), params=_after(cursor))


def artifact(job_id: str, name: str) -> Request[bytes]:
    """The bytes of a file; `name` as in the list of files."""
    return Request(
        "GET", f"/v1/jobs/{part(job_id)}/artifacts/{quote(name)}", lambda answer: answer.content
    )


def catalogue() -> Request[dict[str, Any]]:
    """All criteria, resets, schedules, networks and data sets, with their parameters."""
    return Request("GET", "/v1/catalogue", _json)


def change_job(job_id: str, changes: Mapping[str, Any]) -> Request[Job]:
    """Set `team` or `labels` of a job; the team None hides it from all but its owner."""
    return Request("PATCH", f"/v1/jobs/{part(job_id)}", _model(Job), json=require_plain(changes))


def queue() -> Request[Queue]:
    """The load of each pool by owner, and the visible unfinished jobs."""
    return Request("GET", "/v1/queue", _model(Queue))


def teams() -> Request[TeamList]:
    """Your teams; for administrators, all teams."""
    return Request("GET", "/v1/teams", _model(TeamList))


def put_team(name: str, quota: Mapping[str, Any]) -> Request[Team]:
    """Create a team, or set its quota; fields that are not given mean unlimited.

    For administrators.
    """
    return Request("PUT", f"/v1/teams/{part(name)}", _model(Team), json=require_plain(quota))


def delete_team(name: str) -> Request[None]:
    """Delete a team that has no members, jobs and data sets. For administrators."""
    return Request("DELETE", f"/v1/teams/{part(name)}", _nothing, idempotent=False)


def add_member(team: str, owner: str, *, home: bool | None = None) -> Request[Team]:
    """Add an owner to a team. For administrators.

    Args:
        team: the team.
        owner: the owner.
        home: whether its jobs count for the quota of this team; None: if they count for none yet.
    """
    params = {} if home is None else {"home": home}
    return Request("PUT", _member(team, owner), _model(Team), params=params)


def remove_member(team: str, owner: str) -> Request[Team]:
    """Remove an owner from a team. For administrators."""
    return Request("DELETE", _member(team, owner), _model(Team), idempotent=False)


def _member(team: str, owner: str) -> str:
    return f"/v1/teams/{part(team)}/members/{part(owner)}"


def workers() -> Request[WorkerList]:
    """The workers with their state."""
    return Request("GET", "/v1/workers", _model(WorkerList))


def key_page(cursor: str | None = None) -> Request[KeyPage]:
    """A page of keys, without their secrets. For administrators."""
    return Request("GET", "/v1/keys", _model(KeyPage), params=_after(cursor))


def owners() -> Request[OwnerList]:
    """Your usage and quota; for administrators, of all owners."""
    return Request("GET", "/v1/owners", _model(OwnerList))


def make_key(
    owner: str, role: Role = "member", *, name: str = "", expires_at: datetime | None = None
) -> Request[MadeKey]:
    """Create a key; only this response shows it. For administrators."""
    said = {"owner": owner, "role": role, "name": name}
    if expires_at is not None:
        said["expires_at"] = expires_at.isoformat()
    return Request("POST", "/v1/keys", _model(MadeKey), json=said, idempotent=False)


def revoke_key(key_id: str) -> Request[Key]:
    """Revoke a key. For administrators."""
    return Request("DELETE", f"/v1/keys/{part(key_id)}", _model(Key))


def webhook_secret() -> Request[WebhookSecret]:
    """The secret that signs your webhooks."""
    return Request("GET", "/v1/webhook-secret", _model(WebhookSecret))


def dataset_page(cursor: str | None = None, *, digest: str | None = None) -> Request[DatasetPage]:
    """A page of the uploaded data sets; the first page also has the named data sets.

    Args:
        cursor: that of the page before.
        digest: only uploaded data sets with this SHA-256.
    """
    params = _after(cursor) if digest is None else {**_after(cursor), "digest": digest}
    return Request("GET", "/v1/datasets", _model(DatasetPage), params=params)


def dataset(dataset_id: str) -> Request[StoredDataset]:
    """An uploaded data set, with the names of its classes."""
    return Request("GET", f"/v1/datasets/{part(dataset_id)}", _model(StoredDataset))


def upload_dataset(
    file: Path | IO[bytes],
    *,
    name: str,
    team: str | None = None,
    label_column: str | None = None,
) -> Request[StoredDataset]:
    """Upload an npz file, a zip of images, a CSV file or a Parquet file.

    The same content with the same name and team is stored once, so the request is idempotent.

    Args:
        file: the file.
        name: shown in lists.
        team: a team that uses it too; empty: only its owner; None: as the service is set up.
        label_column: the column of labels of a table; None for `label`.
    """
    said = {"name": name, "team": team, "label_column": label_column}
    return Request(
        "POST",
        "/v1/datasets",
        _model(StoredDataset),
        params={key: value for key, value in said.items() if value is not None},
        headers={"Content-Type": "application/octet-stream"},
        file=file,
        timeout=_UPLOAD_TIMEOUT,
    )


def change_dataset(dataset_id: str, *, team: str | None) -> Request[StoredDataset]:
    """Make a data set visible to a team; None: only to its owner."""
    path = f"/v1/datasets/{part(dataset_id)}"
    return Request("PATCH", path, _model(StoredDataset), json={"team": team})


def delete_dataset(dataset_id: str) -> Request[None]:
    """Delete a data set that no job uses."""
    return Request("DELETE", f"/v1/datasets/{part(dataset_id)}", _nothing, idempotent=False)


def part(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="")


def _after(cursor: str | None) -> dict[str, str]:
    return {} if cursor is None else {"cursor": cursor}


def _model(kind: type[Model]) -> Callable[[httpx.Response], Model]:
    def read(response: httpx.Response) -> Model:
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            raise NotTheService(
                f"{place(response)} did not answer a {kind.__name__} of this service; "
                f"check the versions of both. {error.errors(include_input=False)[0]['msg']}"
            ) from error

    return read


def _nothing(response: httpx.Response) -> None:
    """A response without content."""


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise NotTheService(f"{place(response)} did not answer JSON") from error
