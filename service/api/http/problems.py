"""All errors of the API. Each is answered as a problem document (RFC 9457).

ApiError
├── MalformedBody          400  the body is not valid JSON
├── MalformedRequest       400  the request is not valid HTTP
├── Unauthenticated        401  no key, or an unknown one
├── Forbidden              403  the role of the key does not allow this
├── NotFound               404  it does not exist, or the key may not see it
├── MethodNotAllowed       405  the resource has no such method
├── TooSlow                408  the head of the request did not arrive in time
├── Conflict               409  not possible in the current state
├── BodyTooLarge           413  the body is too long
├── UnsupportedMediaType   415  the type of the body is not supported
├── RangeNotSatisfiable    416  the range is outside the file
├── InvalidRequest         422  fields or parameters are wrong
├── InvalidDataset         422  the uploaded file is not a data set
├── IdempotencyMismatch    422  the idempotency key was used with another body
├── HeadTooLarge           431  the head of the request is too long
├── TooManyRequests        429  the rate limit is exceeded
├── QuotaExceeded          429  the quota of the owner is exceeded
├── InternalError          500  an error of the service
└── Unavailable            503  a part of the service is unavailable

`service.api.http.handlers` turns other exceptions into these errors.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"


class WrongItem(BaseModel):
    """A wrong field of a document, or a wrong parameter."""

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
    """A problem document (RFC 9457): the response to every request that fails."""

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
        """The problem document."""
        return Problem(
            type=self.type_uri(),
            title=self.title,
            status=self.status,
            detail=self.detail,
            errors=self.errors or None,
            request_id=request_id,
        )

    def response(self, request_id: str | None) -> JSONResponse:
        """The HTTP response."""
        content = self.problem(request_id).model_dump(mode="json", exclude_none=True)
        return JSONResponse(content, self.status, self.headers, MEDIA_TYPE)


class MalformedBody(ApiError):
    """The body is not valid JSON."""

    status, slug, title = 400, "malformed-body", "The body cannot be read"


class MalformedRequest(ApiError):
    """The request is not valid HTTP."""

    status, slug, title = 400, "malformed-request", "The request cannot be read"


class Unauthenticated(ApiError):
    """No key, or an unknown one."""

    status, slug, title = 401, "unauthenticated", "A valid API key is needed"


class Forbidden(ApiError):
    """The role of the key does not allow this."""

    status, slug, title = 403, "forbidden", "The key's role does not allow this"


class NotFound(ApiError):
    """It does not exist, or the key may not see it."""

    status, slug, title = 404, "not-found", "There is no such thing"


class MethodNotAllowed(ApiError):
    """The resource has no such method."""

    status, slug, title = 405, "method-not-allowed", "The method is not allowed here"


class TooSlow(ApiError):
    """The head of the request did not arrive in time."""

    status, slug, title = 408, "too-slow", "The request did not come in time"


class Conflict(ApiError):
    """Not possible in the current state."""

    status, slug, title = 409, "conflict", "That is not possible in this state"


class BodyTooLarge(ApiError):
    """The body is too long."""

    status, slug, title = 413, "body-too-large", "The body is too large"


class UnsupportedMediaType(ApiError):
    """The type of the body is not supported."""

    status, slug, title = 415, "unsupported-media-type", "The body's type is not read here"


class RangeNotSatisfiable(ApiError):
    """The range is outside the file."""

    status, slug, title = 416, "range-not-satisfiable", "The range lies outside the file"


class InvalidRequest(ApiError):
    """Fields or parameters are wrong."""

    status, slug, title = 422, "invalid", "The request is not valid"


class InvalidDataset(ApiError):
    """The uploaded file is not a data set."""

    status, slug, title = 422, "invalid-dataset", "The file is not a data set"


class IdempotencyMismatch(ApiError):
    """The idempotency key was used with another body."""

    status, slug, title = 422, "idempotency-mismatch", "The idempotency key was used before"


class HeadTooLarge(ApiError):
    """The head of the request is too long."""

    status, slug, title = 431, "head-too-large", "The head of the request is too large"


class TooManyRequests(ApiError):
    """The rate limit is exceeded."""

    status, slug, title = 429, "too-many-requests", "Too many requests"


class QuotaExceeded(ApiError):
    """The quota of the owner is exceeded."""

    status, slug, title = 429, "quota-exceeded", "The quota is used up"


class InternalError(ApiError):
    """An error of the service."""

    status, slug, title = 500, "internal", "The service made a mistake"


class Damaged(ApiError):
    """The stored file is missing or damaged."""

    status, slug, title = 500, "damaged", "The stored file is missing or damaged"


class Unavailable(ApiError):
    """A part of the service is unavailable."""

    status, slug, title = 503, "unavailable", "A part of the service cannot be reached"


class InsufficientStorage(ApiError):
    """The server's disk is full."""

    status, slug, title = 507, "insufficient-storage", "The server's disk is full"


def answers(*errors: type[ApiError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI ``responses`` of an endpoint's errors."""
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
