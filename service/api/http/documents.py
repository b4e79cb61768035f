"""Reads JSON bodies strictly: it refuses JSON that two parsers may read differently."""

import json
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import Depends, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from lth.core.field_errors import WrongField, wrong_fields
from lth.core.limits import Limits
from lth.core.secrets import without_passwords
from service.api.http.problems import (
    BodyTooLarge,
    InvalidRequest,
    MalformedBody,
    UnsupportedMediaType,
    WrongItem,
)
from service.api.http.state import app_state

MOST_DEPTH = 32
"""The deepest nesting of objects and lists; a spec needs nine."""
MOST_ERRORS = 100
"""The most wrong fields in one response."""
PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""Text without control characters, which could control a terminal."""
_REFUSED = re.compile("[\\0-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_MOST_SHOWN = 200
_DRAINED = 32 * 2**20

Validated = TypeVar("Validated")


async def json_bytes(request: Request) -> bytes:
    """The body of a JSON request, up to the size limit of the settings."""
    media_type = media_type_of(request)
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType(
            f"the content type is '{media_type[:80]}'; send 'application/json'"
        )
    return await bounded_body(request, app_state(request).settings.max_body_bytes)


JsonBytes = Annotated[bytes, Depends(json_bytes)]


def media_type_of(request: Request) -> str:
    """The media type of a body.

    Raises:
        UnsupportedMediaType: if the body is encoded, for example compressed by gzip.
    """
    given = ", ".join(request.headers.getlist("content-encoding"))
    encodings = {each.strip().lower() for each in given.split(",")} - {"", "identity"}
    if encodings:
        raise UnsupportedMediaType(
            f"the content encoding is '{given[:80]}'; send the body as it is, without "
            "Content-Encoding",
            headers={"Accept-Encoding": "identity"},
        )
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def bounded_body(request: Request, most: int) -> bytes:
    """Read at most `most` bytes of a body.

    Raises:
        BodyTooLarge: if there are more.
    """
    chunks: list[bytes] = []
    size = 0
    stream = request.stream()
    async for chunk in stream:
        size += len(chunk)
        if size > most:
            await drained(stream)
            raise BodyTooLarge(f"the body is longer than {most} bytes, the most that is taken")
        chunks.append(chunk)
    return b"".join(chunks)


async def drained(stream: AsyncIterator[bytes]) -> None:
    """Read the rest of a body, up to a limit.

    A client that is still sending then receives the response instead of a broken pipe.
    """
    left = _DRAINED
    async for chunk in stream:
        left -= len(chunk)
        if left < 0:
            return


def answer(
    document: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A response of a model, without FastAPI's second validation."""
    return Response(document.model_dump_json(), status, headers, "application/json")


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of a body that this module reads."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def parse_json(body: bytes) -> Any:
    """Parse JSON in UTF-8 without duplicate names, NaN, infinities or deep nesting.

    Raises:
        MalformedBody: says what is wrong, and where if known.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not UTF-8: byte {error.start} is wrong") from None
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        _too_deep()
    except ValueError as error:  # an integer of thousands of digits
        raise MalformedBody(f"the body has a number that cannot be read: {error}") from None
    _check_content(document)
    return document


def validated(
    adapter: TypeAdapter[Validated],
    document: Any,
    *,
    schema: dict[str, Any] | None = None,
    limits: Limits | None = None,
) -> Validated:
    """Validate a document.

    Raises:
        InvalidRequest: with all wrong fields.
    """
    try:
        return adapter.validate_python(document, context=limits)
    except ValidationError as error:
        schema = schema or adapter.json_schema()
        raise invalid(wrong_fields(error, document, schema, MOST_ERRORS)) from None


def invalid(wrong: Iterable[WrongField]) -> InvalidRequest:
    """The response to a document with wrong fields."""
    errors = [
        WrongItem(
            pointer=shown(field.pointer),
            detail=without_passwords(field.message)[:1_000],
            value=shown(field.value),
            expected=field.right,
        )
        for field in wrong
    ]
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    where = first.pointer or "the document"
    return InvalidRequest(f"{where}: {first.detail}{more}", errors=errors)


def shown(value: Any) -> Any:
    """A value as it appears in a response, without passwords of addresses; long values are cut."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=repr)
    safe = without_passwords(text)
    if len(text) <= _MOST_SHOWN:
        return value if safe == text else safe
    text = safe
    return f"{text[:_MOST_SHOWN]}... ({len(text)} characters)"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise MalformedBody(f"the name {shown(twice)!r} is there twice in one object; give it once")
    return made


def _constant(name: str) -> NoReturn:
    raise MalformedBody(f"'{name}' is not a number in JSON; give a finite number, or leave it out")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise MalformedBody(f"the number {shown(text)} is too large; give a finite number")
    return value


def _check_content(document: Any) -> None:
    """Check the depth of nesting and the characters of all text."""
    level: list[Any] = [document]
    for _ in range(MOST_DEPTH):
        texts = [item for item in level if isinstance(item, str)]
        texts += [name for item in level if isinstance(item, dict) for name in item]
        for text in texts:
            if _REFUSED.search(text):
                raise MalformedBody(
                    f"the text {shown(text)!a} has a control character or half a surrogate "
                    "pair in it; leave that out"
                )
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    _too_deep()


def _too_deep() -> NoReturn:
    raise MalformedBody(f"the body is nested more than {MOST_DEPTH} deep; nothing here needs that")
