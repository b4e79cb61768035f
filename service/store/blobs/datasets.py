"""Uploaded data sets."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store import paging
from service.store.accounts import owners
from service.store.accounts.viewers import Viewer, may_see, visible_parts
from service.store.blobs.object_store import Blob
from service.store.errors import InUse, NotThere
from service.store.ids import uuid7
from service.store.paging import Page
from service.store.tables import Job, StoredDataset


def add(
    session: Session,
    owner: str,
    name: str,
    blob: Blob,
    facts: dict[str, Any],
    decoded_size: int,
    team: str | None = None,
) -> StoredDataset:
    """Store a data set whose blob has been saved (`service.store.blobs.saving`).

    Args:
        session: the transaction.
        owner: owner of the data set.
        name: its name in lists.
        blob: the file.
        facts: facts of its arrays as plain data.
        decoded_size: size of its arrays in bytes.
        team: the team that sees and uses it; None if only its owner does.

    Raises:
        QuotaExceeded: if the owner's quota has no room for it.
    """
    owners.ensure(session, owner)
    owners.check_room(session, owner, counted(blob.size, decoded_size))
    dataset = StoredDataset(
        id=f"ds_{uuid7().hex}",
        owner=owner,
        team=team,
        name=name,
        digest=blob.digest,
        size=blob.size,
        decoded_size=decoded_size,
        facts=facts,
    )
    session.add(dataset)
    session.flush()
    session.refresh(dataset)
    return dataset


def same(
    session: Session, owner: str, name: str, blob: Blob, facts: dict[str, Any], team: str | None
) -> StoredDataset | None:
    """The owner's data set with the same content, facts, name and team, if there is one.

    The owner is locked until the commit, so that two equal uploads add one data set.
    """
    owners.ensure(session, owner)
    owners.lock(session, owner)
    alike = select(StoredDataset).where(
        StoredDataset.owner == owner,
        StoredDataset.name == name,
        StoredDataset.digest == blob.digest,
        StoredDataset.facts == facts,
        StoredDataset.team.is_not_distinct_from(team),
    )
    return session.scalar(alike.order_by(StoredDataset.id).limit(1))


def counted(size: int, decoded_size: int) -> int:
    """The bytes that count for the quota: of the file or of the arrays, whichever is larger.

    Every worker that trains on the data set decodes the file.
    """
    return max(size, decoded_size)


def get(session: Session, dataset_id: str, viewer: Viewer | None = None) -> StoredDataset:
    """A visible data set.

    Raises:
        NotThere: if it does not exist or is not visible.
    """
    dataset = session.get(StoredDataset, dataset_id)
    if dataset is None or not may_see(viewer, dataset):
        raise NotThere(f"there is no data set '{dataset_id}'")
    return dataset


def page(
    session: Session,
    viewer: Viewer | None = None,
    cursor: str | None = None,
    limit: int = 50,
    digest: str | None = None,
) -> Page[StoredDataset]:
    """A page of visible data sets (`service.store.paging`), of all files or of one digest."""
    query = select(StoredDataset)
    if digest is not None:
        query = query.where(StoredDataset.digest == digest)
    parts = visible_parts(viewer, StoredDataset)
    return paging.page(session, query, StoredDataset.id, cursor, limit, parts)


def delete(session: Session, dataset: StoredDataset) -> None:
    """Delete a data set; its blob is deleted later.

    Raises:
        InUse: if a job refers to it.
        NotThere: if it was deleted meanwhile.
    """
    if not session.get(StoredDataset, dataset.id, with_for_update=True):
        raise NotThere(f"there is no data set '{dataset.id}' any more")
    own_first = (Job.owner != dataset.owner, Job.id)
    user = session.scalar(
        select(Job).where(Job.dataset_id == dataset.id).order_by(*own_first).limit(1)
    )
    if user is not None:
        if user.owner == dataset.owner:
            which = f"the job '{user.id}'; delete the job first"
        else:
            which = f"a job of '{user.owner}', who can delete the job"
        raise InUse(f"the data set '{dataset.id}' is used by {which}")
    session.delete(dataset)
    session.flush()
