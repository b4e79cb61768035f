"""Files of the HTTP API."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, Field

from service.api.artifacts.views import View
from service.api.http.paging import Paged
from service.store.tables import Artifact


class ArtifactView(BaseModel):
    """A file of a run, or one that is created when it is fetched."""

    name: str = Field(examples=["trial-1/ticket/masks.npz"])
    media_type: str
    size: int | None = Field(description="in bytes; null for what is not made yet")
    digest: str | None = Field(
        description="SHA-256 of the bytes, hexadecimal; also the entity tag, which the answer to a "
        "fetch always has; null for what is not made yet"
    )
    created_at: datetime | None = Field(description="null for what is not made yet")
    href: str = Field(description="where it is fetched")


class ArtifactList(Paged):
    """A page of the files of a job, by name."""

    artifacts: list[ArtifactView]


def listed(
    job_id: str, stored: Sequence[Artifact], views: Iterable[View], cursor: str | None
) -> ArtifactList:
    """The view of files that exist and of files that can be created."""
    there = {artifact.name: _stored(job_id, artifact) for artifact in stored}
    made_later = {
        name: _view(job_id, name, media_type)
        for view in views
        for name, media_type in view.files.items()
    }
    found = [one for _, one in sorted({**made_later, **there}.items())]
    return ArtifactList(artifacts=found, cursor=cursor)


def _stored(job_id: str, artifact: Artifact) -> ArtifactView:
    return ArtifactView(
        name=artifact.name,
        media_type=artifact.media_type,
        size=artifact.size,
        digest=artifact.digest,
        created_at=artifact.created_at,
        href=_href(job_id, artifact.name),
    )


def _view(job_id: str, name: str, media_type: str) -> ArtifactView:
    return ArtifactView(
        name=name,
        media_type=media_type,
        size=None,
        digest=None,
        created_at=None,
        href=_href(job_id, name),
    )


def _href(job_id: str, name: str) -> str:
    return f"/v1/jobs/{job_id}/artifacts/{quote(name)}"
