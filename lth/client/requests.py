"""Every request of the API, once: the two clients send them, in plain calls or in coroutines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError

from lth.client.errors import NotTheService
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
    Results,
    Role,
    RunList,
    StoredDataset,
    WorkerList,
)

LARGEST_PAGE = 200
"""The most jobs that one answer lists."""

Answer = TypeVar("Answer")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Request(Generic[Answer]):
    """A request, and how its answer is read.

    Attributes:
        file: whose bytes are the body.
        repeatable: whether sending it twice does no more than sending it once.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], Answer]
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    file: Path | None = None
    repeatable: bool = True


class Filters(TypedDict, total=False):
    """Which jobs are wanted; see `job_page`."""

    states: Sequence[JobState]
    labels: Mapping[str, str] | None
    owner: str | None
    text: str | None
    created_from: datetime | None
    created_before: datetime | None
    spec_hash: str | None


def submit(document: Mapping[str, Any], *, idempotency_key: str | None = None) -> Request[Job]:
    """Submit a job. Its idempotency key, a random one unless given, makes it safe to repeat."""
    key = idempotency_key or uuid4().hex
    return Request(
        "POST", "/v1/jobs", _model(Job), headers={"Idempotency-Key": key}, json=dict(document)
    )


def estimate(document: Mapping[str, Any]) -> Request[Plan]:
    """Validate a document without submitting it; answers with its plan and an estimate."""
    params = {"validate_only": "true"}
    return Request("POST", "/v1/jobs", _model(Plan), params=params, json=dict(document))


def job(job_id: str) -> Request[Job]:
    """Look at a job."""
    return Request("GET", f"/v1/jobs/{part(job_id)}", _model(Job))


def job_page(
    *,
    states: Sequence[JobState] = (),
    labels: Mapping[str, str] | None = None,
    owner: str | None = None,
    text: str | None = None,
    created_from: datetime | None = None,
    created_before: datetime | None = None,
    spec_hash: str | None = None,
    limit: int = LARGEST_PAGE,
    cursor: str | None = None,
) -> Request[JobPage]:
    """Some jobs, newest first.

    Args:
        states: in one of these.
        labels: with all of these.
        owner: of this owner.
        text: with this in the name.
        created_from: made then or later.
        created_before: made before then.
        spec_hash: of this spec.
        limit: at most so many.
        cursor: of the page before.
    """
    said = {
        "state": list(states),
        "label": [f"{name}={value}" for name, value in (labels or {}).items()],
        "owner": owner,
        "text": text,
        "created_from": created_from.isoformat() if created_from else None,
        "created_before": created_before.isoformat() if created_before else None,
        "spec_hash": spec_hash,
        "limit": limit,
        "cursor": cursor,
    }
    params = {name: value for name, value in said.items() if value not in (None, [])}
    return Request("GET", "/v1/jobs", _model(JobPage), params=params)


def cancel(job_id: str) -> Request[Job]:
    """Cancel a job."""
    return Request("POST", f"/v1/jobs/{part(job_id)}/cancel", _model(Job))


def retry(job_id: str, *, afresh: bool = False) -> Request[Job]:
    """Queue what failed or was cancelled again: from its last checkpoint, or afresh."""
    params = {"afresh": "true"} if afresh else {}
    path = f"/v1/jobs/{part(job_id)}/retry"
    return Request("POST", path, _model(Job), params=params, repeatable=False)


def delete(job_id: str) -> Request[None]:
    """Delete a finished job and its files."""
    return Request("DELETE", f"/v1/jobs/{part(job_id)}", _nothing, repeatable=False)


def runs(job_id: str, cursor: str | None = None) -> Request[RunList]:
    """Some runs of a job, in the order of its plan."""
    path = f"/v1/jobs/{part(job_id)}/runs"
    return Request("GET", path, _model(RunList), params=_after(cursor))


def results(job_id: str, cursor: str | None = None) -> Request[Results]:
    """What some finished experiments of a job found out."""
    path = f"/v1/jobs/{part(job_id)}/results"
    return Request("GET", path, _model(Results), params=_after(cursor))


def summary(job_id: str) -> Request[dict[str, Any]]:
    """A job's statistics over its trials."""
    return Request("GET", f"/v1/jobs/{part(job_id)}/summary", _json)


def log(job_id: str, run: str) -> Request[str]:
    """What a run logged in its last attempt that ended."""
    path = f"/v1/jobs/{part(job_id)}/runs/{quote(run)}/log"
    return Request("GET", path, lambda answer: answer.text)


def artifacts(job_id: str, cursor: str | None = None) -> Request[ArtifactList]:
    """Some files of a job."""
    path = f"/v1/jobs/{part(job_id)}/artifacts"
    return Request("GET", path, _model(ArtifactList), params=_after(cursor))


def artifact(job_id: str, name: str) -> Request[bytes]:
    """The bytes of a file; `name` as in the list of artifacts."""
    return Request(
        "GET", f"/v1/jobs/{part(job_id)}/artifacts/{quote(name)}", lambda answer: answer.content
    )


def catalogue() -> Request[dict[str, Any]]:
    """Everything that a spec may name, with its parameters."""
    return Request("GET", "/v1/catalogue", _json)


def workers() -> Request[WorkerList]:
    """The workers, and what they do."""
    return Request("GET", "/v1/workers", _model(WorkerList))


def key_page(cursor: str | None = None) -> Request[KeyPage]:
    """Some keys, without their secrets. For administrators."""
    return Request("GET", "/v1/keys", _model(KeyPage), params=_after(cursor))


def owners() -> Request[OwnerList]:
    """What you have and may have; for administrators, of everybody."""
    return Request("GET", "/v1/owners", _model(OwnerList))


def make_key(
    owner: str, role: Role = "member", *, name: str = "", expires_at: datetime | None = None
) -> Request[MadeKey]:
    """Let somebody in; the answer shows the key, once. For administrators."""
    said = {"owner": owner, "role": role, "name": name}
    if expires_at is not None:
        said["expires_at"] = expires_at.isoformat()
    return Request("POST", "/v1/keys", _model(MadeKey), json=said, repeatable=False)


def revoke_key(key_id: str) -> Request[Key]:
    """Let a key in no more. For administrators."""
    return Request("DELETE", f"/v1/keys/{part(key_id)}", _model(Key))


def dataset_page(cursor: str | None = None) -> Request[DatasetPage]:
    """Some of the data sets that were uploaded."""
    return Request("GET", "/v1/datasets", _model(DatasetPage), params=_after(cursor))


def upload_dataset(file: Path, *, name: str) -> Request[StoredDataset]:
    """Upload an npz with x and y, or x_train, y_train, x_test and y_test."""
    headers = {"Content-Type": "application/x-npz"}
    return Request(
        "POST",
        "/v1/datasets",
        _model(StoredDataset),
        params={"name": name},
        headers=headers,
        file=file,
        repeatable=False,
    )


def delete_dataset(dataset_id: str) -> Request[None]:
    """Delete a data set that no job uses."""
    return Request("DELETE", f"/v1/datasets/{part(dataset_id)}", _nothing, repeatable=False)


def part(text: str) -> str:
    """A text as one part of a path, whatever is in it."""
    return quote(text, safe="")


def _after(cursor: str | None) -> dict[str, str]:
    return {} if cursor is None else {"cursor": cursor}


def _model(kind: type[Model]) -> Callable[[httpx.Response], Model]:
    def read(response: httpx.Response) -> Model:
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            raise NotTheService(
                f"{response.request.url} answered what is no {kind.__name__} of this service; "
                f"do the versions fit? {error.errors(include_input=False)[0]['msg']}"
            ) from error

    return read


def _nothing(response: httpx.Response) -> None:
    """An answer without content."""


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise NotTheService(f"{response.request.url} answered what is not JSON") from error
