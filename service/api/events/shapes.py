"""The event of the HTTP API."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class EventView(BaseModel):
    """An event of a job."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="counts the events of a job from 1, without gaps")
    kind: str = Field(description="what happened, such as 'run_started' or 'job_finished'")
    run: str | None = Field(description="the key of the run that it happened to")
    at: datetime
    data: dict[str, Any] = Field(description="what there is to say about it")
