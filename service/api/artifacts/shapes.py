"""Files as clients see them."""

from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, Field

from service.store.tables import Artifact


class ArtifactView(BaseModel):
    """A file that a run left behind."""

    name: str = Field(examples=["trial-1/ticket/masks.npz"])
    media_type: str
    size: int = Field(description="in bytes")
    digest: str = Field(description="SHA-256 of the bytes, hexadecimal; also the entity tag")
    created_at: datetime
    href: str = Field(description="where it is fetched")


class ArtifactList(BaseModel):
    """The files of a job, by name."""

    artifacts: list[ArtifactView]


def artifact_view(job_id: str, artifact: Artifact) -> ArtifactView:
    """A file as it goes out, under the job that was asked about."""
    return ArtifactView(
        name=artifact.name,
        media_type=artifact.media_type,
        size=artifact.size,
        digest=artifact.digest,
        created_at=artifact.created_at,
        href=f"/v1/jobs/{job_id}/artifacts/{quote(artifact.name)}",
    )
