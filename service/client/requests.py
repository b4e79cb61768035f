"""Every request of the API, once: the two clients send them, in plain calls or in coroutines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError

from service.client.errors import NotTheService
from service.client.models import ArtifactList, Job, JobPage, JobState, Results, RunList

Answer = TypeVar("Answer")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Request(Generic[Answer]):
    """A request, and how its answer is read.

    Attributes:
        repeatable: whether sending it twice does no more than sending it once.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], Answer]
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    repeatable: bool = True


def submit(document: Mapping[str, Any], *, idempotency_key: str | None = None) -> Request[Job]:
    """Submit a job. Its idempotency key, a random one unless given, makes it safe to repeat."""
    key = idempotency_key or uuid4().hex
    return Request(
        "POST", "/v1/jobs", _model(Job), headers={"Idempotency-Key": key}, json=dict(document)
    )


def check(document: Mapping[str, Any]) -> Request[dict[str, Any]]:
    """Validate a document without submitting it; answers with its plan and an estimate."""
    return Request("POST", "/v1/jobs", _json, params={"validate_only": "true"}, json=dict(document))


def job(job_id: str) -> Request[Job]:
    """Look at a job."""
    return Request("GET", f"/v1/jobs/{_part(job_id)}", _model(Job))


def job_page(
    *,
    states: Sequence[JobState] = (),
    labels: Mapping[str, str] | None = None,
    owner: str | None = None,
    text: str | None = None,
    created_from: datetime | None = None,
    created_before: datetime | None = None,
    spec_hash: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Request[JobPage]:
    """Some jobs, newest first."""
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


def runs(job_id: str) -> Request[RunList]:
    """The runs of a job."""
    return Request("GET", f"/v1/jobs/{_part(job_id)}/runs", _model(RunList))


def results(job_id: str) -> Request[Results]:
    """What a job's finished experiments found out."""
    return Request("GET", f"/v1/jobs/{_part(job_id)}/results", _model(Results))


def artifacts(job_id: str) -> Request[ArtifactList]:
    """The files of a job."""
    return Request("GET", f"/v1/jobs/{_part(job_id)}/artifacts", _model(ArtifactList))


def artifact(job_id: str, name: str) -> Request[bytes]:
    """The bytes of a file; `name` as in the list of artifacts."""
    return Request(
        "GET", f"/v1/jobs/{_part(job_id)}/artifacts/{quote(name)}", lambda answer: answer.content
    )


def catalogue() -> Request[dict[str, Any]]:
    """Everything that a spec may name, with its parameters."""
    return Request("GET", "/v1/catalogue", _json)


def _part(text: str) -> str:
    return quote(text, safe="")


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


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise NotTheService(f"{response.request.url} answered what is not JSON") from error
