"""Every error that the API answers with, and the one shape that all of them have (RFC 9457).

ApiError
├── MalformedBody          400  the body is not the JSON that it says it is
├── MalformedRequest       400  the request is not HTTP as it should be
├── Unauthenticated        401  no key, or one that is not known
├── Forbidden              403  the key's role does not allow this
├── NotFound               404  there is no such thing, or none that the key may see
├── MethodNotAllowed       405  the thing is there, but cannot be asked that
├── TooSlow                408  the head of the request did not come in time
├── Conflict               409  not in the state that the thing is in
├── BodyTooLarge           413  the body is longer than is allowed here
├── UnsupportedMediaType   415  the body is of a type that is not read here
├── RangeNotSatisfiable    416  the range lies outside the file
├── InvalidRequest         422  fields of the document or parameters are wrong
├── InvalidDataset         422  the uploaded file is not a data set
├── IdempotencyMismatch    422  the idempotency key was used with another body
├── HeadTooLarge           431  the head of the request is longer than is allowed here
├── TooManyRequests        429  the rate is used up
├── QuotaExceeded          429  the owner's quota is used up
├── InternalError          500  our mistake
└── Unavailable            503  a part of the service cannot be reached right now

The handlers that turn other exceptions into these are in `service.api.http.handlers`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"


class WrongItem(BaseModel):
    """One wrong field of a document, or one wrong parameter."""

    pointer: str | None = Field(
        default=None,
        description="JSON pointer (RFC 6901) into the document that was sent; empty for all of it",
        examples=["/pruning/schedule/sparsity"],
    )
    parameter: str | None = Field(
        default=None, description="name of the wrong parameter of path, query or header"
    )
    detail: str = Field(description="what was wrong", examples=["Input should be less than 1"])
    value: Any = Field(default=None, description="what was there; long values are cut")
    expected: str | None = Field(
        default=None,
        description="what would be right",
        examples=["a number, more than 0 and less than 1"],
    )


class Problem(BaseModel):
    """Every answer that is not a success (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="stable name of the kind of problem")
    title: str = Field(description="the kind of problem in words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what was wrong this time, and what would be right")
    errors: list[WrongItem] | None = Field(default=None, description="every wrong field at once")
    request_id: str | None = Field(default=None, description="names the request in our logs")


class ApiError(Exception):
    """Base of the API's errors; each class is one kind of problem."""

    status: ClassVar[int]
    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[WrongItem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    @classmethod
    def type_uri(cls) -> str:
        """The stable ``type`` of the problem."""
        return f"urn:lth:problem:{cls.slug}"

    def problem(self, request_id: str | None) -> Problem:
        """The document that says it."""
        return Problem(
            type=self.type_uri(),
            title=self.title,
            status=self.status,
            detail=self.detail,
            errors=self.errors or None,
            request_id=request_id,
        )

    def response(self, request_id: str | None) -> JSONResponse:
        """The answer that carries it."""
        content = self.problem(request_id).model_dump(mode="json", exclude_none=True)
        return JSONResponse(content, self.status, self.headers, MEDIA_TYPE)


class MalformedBody(ApiError):
    """The body is not the JSON that it says it is."""

    status, slug, title = 400, "malformed-body", "The body cannot be read"


class MalformedRequest(ApiError):
    """The request is not HTTP as it should be."""

    status, slug, title = 400, "malformed-request", "The request cannot be read"


class Unauthenticated(ApiError):
    """No key, or one that is not known."""

    status, slug, title = 401, "unauthenticated", "A valid API key is needed"


class Forbidden(ApiError):
    """The key's role does not allow this."""

    status, slug, title = 403, "forbidden", "The key's role does not allow this"


class NotFound(ApiError):
    """There is no such thing, or none that the key may see."""

    status, slug, title = 404, "not-found", "There is no such thing"


class MethodNotAllowed(ApiError):
    """The thing is there, but cannot be asked that."""

    status, slug, title = 405, "method-not-allowed", "The method is not allowed here"


class TooSlow(ApiError):
    """The head of the request did not come in time."""

    status, slug, title = 408, "too-slow", "The request did not come in time"


class Conflict(ApiError):
    """Not in the state that the thing is in."""

    status, slug, title = 409, "conflict", "That is not possible in this state"


class BodyTooLarge(ApiError):
    """The body is longer than is allowed here."""

    status, slug, title = 413, "body-too-large", "The body is too large"


class UnsupportedMediaType(ApiError):
    """The body is of a type that is not read here."""

    status, slug, title = 415, "unsupported-media-type", "The body's type is not read here"


class RangeNotSatisfiable(ApiError):
    """The range lies outside the file."""

    status, slug, title = 416, "range-not-satisfiable", "The range lies outside the file"


class InvalidRequest(ApiError):
    """Fields of the document or parameters are wrong."""

    status, slug, title = 422, "invalid", "The request is not valid"


class InvalidDataset(ApiError):
    """The uploaded file is not a data set."""

    status, slug, title = 422, "invalid-dataset", "The file is not a data set"


class IdempotencyMismatch(ApiError):
    """The idempotency key was used with another body."""

    status, slug, title = 422, "idempotency-mismatch", "The idempotency key was used before"


class HeadTooLarge(ApiError):
    """The head of the request is longer than is allowed here."""

    status, slug, title = 431, "head-too-large", "The head of the request is too large"


class TooManyRequests(ApiError):
    """The rate is used up."""

    status, slug, title = 429, "too-many-requests", "Too many requests"


class QuotaExceeded(ApiError):
    """The owner's quota is used up."""

    status, slug, title = 429, "quota-exceeded", "The quota is used up"


class InternalError(ApiError):
    """Our mistake."""

    status, slug, title = 500, "internal", "The service made a mistake"


class Damaged(ApiError):
    """The object store lost the file, or holds other bytes."""

    status, slug, title = 500, "damaged", "The stored file is missing or damaged"


class Unavailable(ApiError):
    """A part of the service cannot be reached right now."""

    status, slug, title = 503, "unavailable", "A part of the service cannot be reached"


class InsufficientStorage(ApiError):
    """The server's disk is full."""

    status, slug, title = 507, "insufficient-storage", "The server's disk is full"


def answers(*errors: type[ApiError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI ``responses`` of the errors that an endpoint can answer with."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        example = {
            "type": error.type_uri(),
            "title": error.title,
            "status": error.status,
            "detail": error.__doc__,
            "request_id": "0199f0c2a5d87c3e",
        }
        response = responses.setdefault(
            error.status,
            {"description": error.title, "content": {MEDIA_TYPE: {"examples": {}}}},
        )
        response["content"][MEDIA_TYPE]["schema"] = {"$ref": "#/components/schemas/Problem"}
        response["content"][MEDIA_TYPE]["examples"][error.slug] = {"value": example}
    return responses
