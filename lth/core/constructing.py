"""Models whose constructor explains wrong arguments."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic._internal._model_construction import ModelMetaclass

from lth.core.field_errors import refusal, wrong_fields


class _Explaining(ModelMetaclass):
    """Turns pydantic's errors of a constructor call into a `SpecError`.

    Validation of plain data, as in the service, calls no constructor, so it is not affected.
    """

    def __call__(cls, *arguments: Any, **fields: Any) -> Any:  # noqa: N805 a metaclass
        try:
            return super().__call__(*arguments, **fields)
        except ValidationError as error:
            schema = cls.model_json_schema()  # pyright: ignore[reportAttributeAccessIssue]
            raise refusal(wrong_fields(error, fields, schema), cls.__name__) from None


class Checked(BaseModel, metaclass=_Explaining):
    """A frozen model without unknown fields.

    Raises:
        SpecError: from its constructor, if an argument is wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
