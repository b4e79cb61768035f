"""`lth verify`: reads all blobs that a service refers to, and reports damaged ones."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy.orm import Session

from service.settings import Settings
from service.stack.environment import using_database
from service.stack.errors import StackError
from service.store.blobs import damage, deletion
from service.store.blobs.damage import Use
from service.store.blobs.object_store import BlobDamaged, BlobMissing, Blobs, StorageFailed
from service.store.database import BACKUP, Database

_BATCH = 100
Problem: TypeAlias = Literal["missing", "damaged"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A missing or damaged blob, and its uses."""

    digest: str
    problem: Problem
    uses: tuple[Use, ...]

    def __str__(self) -> str:
        """One line for each use."""
        return "\n".join(f"{self.problem} {self.digest}: {use}" for use in self.uses)


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of a verification.

    Attributes:
        blobs: number of blobs that were read.
        bytes: their size in bytes.
        findings: the missing and damaged blobs.
        queued: the jobs whose runs were queued again.
    """

    blobs: int
    bytes: int
    findings: tuple[Finding, ...]
    queued: tuple[str, ...] = ()


def verify(settings: Settings, *, requeue: bool = False) -> Verified:
    """Read all blobs in use, and compare each with its SHA-256. The service may run.

    Args:
        settings: name the database and the object store.
        requeue: queue runs with damaged files again, and forget damaged logs, checkpoints and
            trunks. Uploaded data sets cannot be repaired.

    Raises:
        StackError: if the database or the object store does not answer.
    """
    blobs = Blobs(settings.object_store_url, settings.object_store_options)
    with (
        using_database(settings.database_url),
        closing(Database(settings.database_url, 1, BACKUP)) as database,
    ):
        with database.transaction() as session:
            in_use = [(blob.digest, blob.size) for blob in deletion.used(session)]
        problems: dict[str, Problem] = dict(_problems(blobs, (digest for digest, _ in in_use)))
        queued: list[str] = []
        findings: list[Finding] = []
        digests = sorted(problems)
        for start in range(0, len(digests), _BATCH):
            batch: dict[str, Problem] = {
                digest: problems[digest] for digest in digests[start : start + _BATCH]
            }
            with database.transaction() as session:
                found = findings_of(session, batch)
                findings += found
                if requeue:
                    queued += damage.repair(session, [use for one in found for use in one.uses])
    size = sum(size for _, size in in_use)
    return Verified(len(in_use), size, tuple(findings), tuple(dict.fromkeys(queued)))


def problem_of(blobs: Blobs, digest: str) -> Problem | None:
    """The problem of a blob, after reading all of it; None if it has none.

    Raises:
        StackError: if the object store does not answer.
    """
    try:
        blobs.read_all(digest)
    except BlobMissing:
        return "missing"
    except BlobDamaged:
        return "damaged"
    except StorageFailed as error:
        raise StackError(str(error)) from None
    return None


def findings_of(session: Session, problems: Mapping[str, Problem]) -> list[Finding]:
    """The blobs with a problem that are still in use."""
    by_digest: dict[str, list[Use]] = {}
    for use in damage.uses(session, list(problems)):
        by_digest.setdefault(use.digest, []).append(use)
    return [Finding(d, problems[d], tuple(uses)) for d, uses in sorted(by_digest.items())]


def _problems(blobs: Blobs, digests: Iterable[str]) -> Iterator[tuple[str, Problem]]:
    for digest in digests:
        if problem := problem_of(blobs, digest):
            yield digest, problem
