"""Pages of long lists, with cursors."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

Cursor = Annotated[str | None, Query(max_length=200, description="that of the page before")]
Limit = Annotated[int, Query(ge=1, le=200, description="the most that one page lists")]

RunLimit = Annotated[
    int, Query(ge=1, le=1000, description="the most runs of which one page lists something")
]


class Paged(BaseModel):
    """A page of a list."""

    cursor: str | None = Field(description="give it as 'cursor' for the next page; null at the end")
