"""Turns all exceptions into problem documents."""

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError, IntegrityError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.api.http import problems
from service.api.http.documents import shown
from service.api.http.problems import (
    ApiError,
    Conflict,
    Damaged,
    InternalError,
    InvalidRequest,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Unavailable,
    WrongItem,
)
from service.api.http.tracing import request_id_of
from service.drawing.artist import NotDrawnNow
from service.store.blobs.object_store import BlobDamaged, BlobMissing, StorageFailed
from service.store.database import UNAVAILABLE, timed_out
from service.store.errors import (
    BadCursor,
    IdempotencyMismatch,
    InUse,
    NotInThatState,
    NotThere,
    QuotaExceeded,
)

_log = structlog.get_logger(__name__)
_REFUSALS: dict[type[Exception], type[ApiError]] = {
    NotThere: NotFound,
    BadCursor: InvalidRequest,
    IdempotencyMismatch: problems.IdempotencyMismatch,
    QuotaExceeded: problems.QuotaExceeded,
    NotInThatState: Conflict,
    InUse: Conflict,
}
"""The HTTP errors for the errors of the store."""
_RETRY_AFTER = {"Retry-After": "1"}


def install(app: FastAPI) -> None:
    """Install the handlers in an application."""
    app.add_exception_handler(ApiError, _answer)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _parameters)
    for refusal in _REFUSALS:
        app.add_exception_handler(refusal, _refused)
    app.add_exception_handler(StorageFailed, _storage)
    for error in (BlobMissing, BlobDamaged):
        app.add_exception_handler(error, _damaged)
    app.add_exception_handler(NotDrawnNow, _undrawn)
    app.add_exception_handler(IntegrityError, _integrity)
    app.add_exception_handler(ClientDisconnect, _gone)
    for error in UNAVAILABLE:
        app.add_exception_handler(error, _database)
    app.add_exception_handler(Exception, _internal)


async def _answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response(request_id_of(request))


async def _http(request: Request, error: Exception) -> Response:
    """Errors of the framework: unknown routes, wrong methods."""
    assert isinstance(error, HTTPException)
    path = shown(request.url.path)
    if error.status_code == NotFound.status:
        problem: ApiError = NotFound(f"there is nothing at {path}; see /openapi.json for what is")
    elif error.status_code == MethodNotAllowed.status:
        allowed = (error.headers or {}).get("Allow", "")
        allowed = allowed.replace("GET", "GET, HEAD")
        problem = MethodNotAllowed(
            f"{request.method} is not allowed at {path}; allowed: {allowed}",
            headers={"Allow": allowed},
        )
    else:
        problem = MalformedRequest(str(error.detail), headers=error.headers)
    return problem.response(request_id_of(request))


async def _parameters(request: Request, error: Exception) -> Response:
    """Wrong parameters in the path, the query or the headers."""
    assert isinstance(error, RequestValidationError)
    errors = [
        WrongItem(
            parameter=str(found["loc"][1]) if len(found["loc"]) > 1 else str(found["loc"][0]),
            detail=found["msg"].removeprefix("Value error, "),
            value=shown(found.get("input")),
        )
        for found in error.errors()
    ]
    first = errors[0]
    problem = InvalidRequest(f"{first.parameter}: {first.detail}", errors=errors)
    return problem.response(request_id_of(request))


async def _refused(request: Request, error: Exception) -> Response:
    """Errors of the store."""
    kind = next(_REFUSALS[base] for base in type(error).__mro__ if base in _REFUSALS)
    return kind(str(error)).response(request_id_of(request))


async def _undrawn(request: Request, error: Exception) -> Response:
    _log.warning("not_drawn", error=_short(error))
    problem = Unavailable(f"{error}; try again", headers=_RETRY_AFTER)
    return problem.response(request_id_of(request))


async def _integrity(request: Request, error: Exception) -> Response:
    """A row that the request refers to was deleted during the request."""
    _log.warning("conflict", error=_short(error))
    problem = Conflict("what the request refers to was changed at the same moment; try again")
    return problem.response(request_id_of(request))


async def _gone(request: Request, _: Exception) -> Response:
    problem = MalformedRequest("the connection was closed before the whole request had come")
    return problem.response(request_id_of(request))


async def _storage(request: Request, error: Exception) -> Response:
    """Errors of the object store; their addresses go to the log only."""
    _log.warning("storage_unavailable", error=_short(error))
    problem = Unavailable(
        "the object store cannot be used right now; try again", headers=_RETRY_AFTER
    )
    return problem.response(request_id_of(request))


async def _damaged(request: Request, error: Exception) -> Response:
    """A damaged file: a retry does not help; `lth verify` finds what else is damaged."""
    _log.error("blob_damaged", error=_short(error))
    problem = Damaged(f"{error}; ask the operator to run 'lth verify --requeue'")
    return problem.response(request_id_of(request))


async def _database(request: Request, error: Exception) -> Response:
    """The database is unavailable, or a row is locked for too long: the client may retry."""
    _log.warning("database_unavailable", error=_short(error))
    said = (
        "another process holds what the request needs"
        if timed_out(error)
        else ("the database cannot be reached right now")
    )
    problem = Unavailable(f"{said}; try again", headers=_RETRY_AFTER)
    return problem.response(request_id_of(request))


async def _internal(request: Request, error: Exception) -> Response:
    request_id = request_id_of(request)
    _log.error("internal_error", request_id=request_id, path=request.url.path, exc_info=error)
    return InternalError("this was our mistake; it is logged under the request's id").response(
        request_id
    )


def _short(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).partition("\n")[0]
