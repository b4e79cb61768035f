"""The OpenAPI document: FastAPI's description, and the schemas that FastAPI cannot derive."""

from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse
from pydantic.json_schema import models_json_schema

from service.api.accounts.access import authenticate
from service.api.accounts.keys import NewKey
from service.api.accounts.owners import QuotaDocument
from service.api.accounts.teams import TeamQuotaDocument
from service.api.datasets.router import DatasetChange
from service.api.http.problems import InvalidRequest, Problem, answers
from service.api.jobs.commands import JobChange
from service.api.jobs.submission import SUBMISSION_SCHEMA

_REF = "#/components/schemas/{model}"
_DEFINITION = "#/$defs/"

_EVENT = {
    "type": "object",
    "description": "one event of the stream; its data is a JSON document",
    "properties": {
        "id": {"type": "string", "description": "the event's number, for Last-Event-ID"},
        "event": {"type": "string", "description": "what happened, such as 'run_started'"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
_BODIES = (NewKey, QuotaDocument, TeamQuotaDocument, JobChange, DatasetChange)
"""Documents that `service.api.http.documents` reads instead of FastAPI."""

DESCRIPTION = """\
Runs experiments on the Lottery Ticket Hypothesis: submit a spec, follow its events, fetch its
results, masks and plots by the job's id. Every request but those for health needs an API key.

Every answer that is no success is `application/problem+json` (RFC 9457) with a stable `type`.
Whatever answers GET answers HEAD too: the same status and headers, without the body.
"""


router = APIRouter(tags=["catalogue"], dependencies=[Depends(authenticate)])


@router.get("/openapi.json", include_in_schema=False)
async def get_openapi_document(request: Request) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(request.app.openapi())


def install(app: FastAPI) -> None:
    """Install the OpenAPI document in an application."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _, models = models_json_schema(
        [(Problem, "serialization"), *((body, "validation") for body in _BODIES)],
        ref_template=_REF,
    )
    schemas.update(models["$defs"])
    schemas.update(_components("Submission", SUBMISSION_SCHEMA))
    for path in document["paths"].values():
        for operation in path.values():
            _complete(operation)
    return document


def _components(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Split a schema and its definitions into components that refer to each other."""
    whole = {key: value for key, value in schema.items() if key != "$defs"}
    parts = {_short(part): definition for part, definition in schema["$defs"].items()}
    return _referring({**parts, name: whole})


def _referring(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _referring(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_referring(item) for item in node]
    if isinstance(node, str) and node.startswith(_DEFINITION):
        return _REF.format(model=_short(node.removeprefix(_DEFINITION)))
    return node


def _short(name: str) -> str:
    """`CriteriaRandom` for `lth__pruning__criteria__random__Random`, as pydantic names it."""
    path = name.split("__")
    return path[1].capitalize() + path[-1] if len(path) > 1 else name


def _complete(operation: dict[str, Any]) -> None:
    """Replace FastAPI's description of wrong parameters by problem documents."""
    wrong = operation["responses"].get("422")
    if wrong and "application/json" in wrong["content"]:
        operation["responses"]["422"] = answers(InvalidRequest)[InvalidRequest.status]
    stream = operation["responses"].get("200", {}).get("content", {})
    if EventSourceResponse.media_type in stream:
        # FastAPI describes the items of a stream as OpenAPI 3.2 does, in a 3.1 document.
        stream[EventSourceResponse.media_type] = {"schema": _EVENT}
