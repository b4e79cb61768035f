"""Base of all tables: names of constraints, and types of columns."""

import enum
from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import DateTime, Enum, MetaData, String, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column


class Table(DeclarativeBase):
    """Base of the tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        dict[str, str]: JSONB,
    }


Now = Annotated[datetime, mapped_column(server_default=func.now())]
"""A moment that the database fills in: the time of the transaction."""

Sorted = String(collation="C")
"""Text that is compared byte by byte, for ids that are also a sort order."""


def words(members: type[enum.StrEnum]) -> Enum:
    """A column for an enumeration, stored as text with a check constraint."""
    return Enum(
        members,
        native_enum=False,
        create_constraint=True,
        length=16,
        name=members.__name__.lower(),
        values_callable=lambda kinds: [kind.value for kind in kinds],
    )
