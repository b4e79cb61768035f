"""Durations of a training, such as ``20ep`` or ``50000it``."""

import re
from typing import Annotated, Any, NamedTuple

from pydantic import GetCoreSchemaHandler, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import core_schema

from lth.core.limits import limits_of

_PATTERN = re.compile(r"(0|[1-9][0-9]{0,8})(ep|it)")


class Duration(NamedTuple):
    """A number of epochs (``ep``) or of iterations, that is, optimizer steps (``it``)."""

    count: int  # pyright: ignore[reportIncompatibleMethodOverride]
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Parse ``20ep`` or ``50000it``.

        Raises:
            ValueError: if `text` has another form.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r} is not a duration; write a whole number of epochs or iterations, "
                "such as '20ep' or '50000it'"
            )
        return cls(int(match[1]), match[2])

    def iterations(self, steps_per_epoch: int) -> int:
        """The number of optimizer steps, with `steps_per_epoch` steps in an epoch."""
        return self.count * steps_per_epoch if self.unit == "ep" else self.count

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Durations are strings in JSON, also as defaults in a schema."""
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.to_string_ser_schema()
        )


START = Duration(0, "it")
"""Before the first step."""


def _point(value: Any, info: ValidationInfo) -> Duration:
    if not isinstance(value, str | Duration):
        raise ValueError(f"{value!r} is not a duration; write text such as '20ep' or '50000it'")
    duration = Duration.parse(value) if isinstance(value, str) else value
    limits = limits_of(info)
    most = limits.max_epochs if duration.unit == "ep" else limits.max_iterations
    if duration.count > most:
        raise ValueError(f"'{duration}' is more than the limit of '{most}{duration.unit}'")
    return duration


def _length(value: Any, info: ValidationInfo) -> Duration:
    duration = _point(value, info)
    if duration.count == 0:
        raise ValueError(f"'{duration}' is too short; give at least '1{duration.unit}'")
    return duration


def _schema(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": ["20ep", "50000it"]})


Point = Annotated[Duration, PlainValidator(_point), _schema(r"^(0|[1-9][0-9]{0,8})(ep|it)$")]
"""A point in training: ``0it`` is before the first step."""

Length = Annotated[Duration, PlainValidator(_length), _schema(r"^[1-9][0-9]{0,8}(ep|it)$")]
"""A duration of at least one epoch or iteration."""
