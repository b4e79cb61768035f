"""The filters of a list of jobs."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator

from service.api.accounts.access import Principal
from service.api.http.paging import Cursor, Limit
from service.store.jobs.jobs import JobFilter
from service.store.states import JobState

_NO_NULL = r"^[^\x00]*$"


class JobQuery(BaseModel):
    """The query parameters of a list of jobs; all of them must match."""

    model_config = ConfigDict(extra="forbid")

    state: list[JobState] = Field(default=[], description="one of these states")
    label: list[str] = Field(
        default=[],
        max_length=32,
        description="labels that a job must have, each as NAME=VALUE",
        examples=[["team=vision"]],
    )
    owner: str | None = Field(
        default=None, max_length=64, pattern=_NO_NULL, description="of this owner"
    )
    mine: bool = Field(default=False, description="of the owner of the key alone")
    team: str | None = Field(
        default=None, max_length=64, pattern=_NO_NULL, description="visible to this team"
    )
    created_from: datetime | None = Field(default=None, description="at or after; UTC if not said")
    created_before: datetime | None = Field(default=None, description="before; UTC if not said")
    spec_hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    text: str | None = Field(
        default=None, max_length=200, pattern=_NO_NULL, description="part of the name, in any case"
    )
    dataset: str | None = Field(
        default=None,
        max_length=100,
        pattern=_NO_NULL,
        description="kind of the data set, or the id of an uploaded one",
        examples=["mnist"],
    )
    network: str | None = Field(
        default=None,
        max_length=100,
        pattern=_NO_NULL,
        description="kind of the network; 'own layers' for a list of layers",
        examples=["lenet-300-100"],
    )
    min_accuracy: float | None = Field(
        default=None, ge=0, le=1, description="the least best accuracy"
    )
    cursor: Cursor = None
    limit: Limit = 50

    @field_validator("label")
    @classmethod
    def _pairs(cls, labels: list[str]) -> list[str]:
        for label in labels:
            if "=" not in label or "\0" in label:
                raise ValueError(f"{label!r} is no label; write NAME=VALUE")
        return labels

    @field_validator("created_from", "created_before")
    @classmethod
    def _with_zone(cls, value: datetime | None) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)

    def wanted_by(self, principal: Principal) -> JobFilter | None:
        """The filter for the store; None if the principal can see no matching job."""
        split = (label.partition("=") for label in self.label)
        pairs = {(name, value) for name, _, value in split}
        labels = dict(pairs)
        if len(labels) < len(pairs):  # two values of one label
            return None
        if self.mine and self.owner not in (None, principal.owner):
            return None
        return JobFilter(
            viewer=principal.viewer,
            owner=principal.owner if self.mine else self.owner,
            team=self.team,
            states=self.state,
            labels=labels,
            created_from=self.created_from,
            created_before=self.created_before,
            spec_hash=self.spec_hash,
            text=self.text,
            dataset=self.dataset,
            network=self.network,
            min_accuracy=self.min_accuracy,
        )
