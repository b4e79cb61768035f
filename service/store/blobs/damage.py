"""Missing and damaged blobs: where they are used, and how to repair them."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from service.store.jobs import commands, jobs
from service.store.tables import Artifact, Run, StoredDataset, Trunk


class Kind(StrEnum):
    """How a blob is used."""

    ARTIFACT = "artifact"
    LOG = "log"
    CHECKPOINT = "checkpoint"
    TRUNK = "trunk"
    DATASET = "dataset"


@dataclass(frozen=True, slots=True)
class Use:
    """One reference to a blob.

    Attributes:
        name: of the file, the run, the trunk's key, or the data set's id.
        job_id: the job whose run refers to it; None for trunks and data sets.
        run_id: the run that refers to it.
    """

    kind: Kind
    digest: str
    name: str
    job_id: str | None = None
    run_id: uuid.UUID | None = None

    def __str__(self) -> str:
        """A line of text for operators."""
        return f"{self.kind} {self.name}" + (f" of {self.job_id}" if self.job_id else "")


def uses(session: Session, digests: Sequence[str]) -> list[Use]:
    """All references to some blobs."""
    artifacts = select(Artifact.digest, Artifact.name, Artifact.job_id, Artifact.run_id)
    trunks = select(Trunk.digest, Trunk.key).where(Trunk.digest.in_(digests))
    datasets = select(StoredDataset.digest, StoredDataset.id)
    found = [
        *(
            Use(Kind.ARTIFACT, *row)
            for row in session.execute(artifacts.where(Artifact.digest.in_(digests)))
        ),
        *(Use(Kind.TRUNK, *row) for row in session.execute(trunks)),
        *(
            Use(Kind.DATASET, *row)
            for row in session.execute(datasets.where(StoredDataset.digest.in_(digests)))
        ),
    ]
    for kind, column in ((Kind.LOG, Run.log_digest), (Kind.CHECKPOINT, Run.checkpoint_digest)):
        runs = select(column, Run.key, Run.job_id, Run.id).where(column.in_(digests))
        for digest, key, job_id, run_id in session.execute(runs):
            assert digest is not None
            found.append(Use(kind, digest, key, job_id, run_id))
    return found


def repair(session: Session, found: Iterable[Use]) -> list[str]:
    """Repair what can be repaired; data sets must be uploaded again.

    A run with a damaged artifact is queued again, and saves the same bytes. One run for each blob
    is enough, even if others use it too. Damaged logs, checkpoints and trunks are forgotten.

    Returns:
        The jobs whose runs were queued again.
    """
    queued: dict[str, set[uuid.UUID]] = {}
    repaired: set[str] = set()
    for use in found:
        match use.kind:
            case Kind.ARTIFACT:
                assert use.job_id is not None
                if use.run_id is None:
                    _forget_view(session, use)
                elif use.digest not in repaired:
                    repaired.add(use.digest)
                    queued.setdefault(use.job_id, set()).add(use.run_id)
            case Kind.LOG:
                _forget(session, use, log_digest=None)
            case Kind.CHECKPOINT:
                _forget(session, use, checkpoint_digest=None)
            case Kind.TRUNK:
                session.execute(delete(Trunk).where(Trunk.key == use.name))
            case Kind.DATASET:
                pass
    for job_id, run_ids in sorted(queued.items()):
        commands.rerun(session, jobs.get(session, job_id), run_ids)
    return sorted(queued)


def _forget(session: Session, use: Use, **values: None) -> None:
    session.execute(update(Run).where(Run.id == use.run_id).values(values))


def _forget_view(session: Session, use: Use) -> None:
    """Forget pictures and reports; the next fetch creates them again."""
    session.execute(
        delete(Artifact).where(Artifact.job_id == use.job_id, Artifact.name == use.name)
    )
