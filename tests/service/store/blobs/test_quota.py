"""The stored bytes of an owner are counted as they change, and limited."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.settings import Settings
from service.store.accounts import owners
from service.store.accounts.owners import Quota
from service.store.blobs import datasets, saving
from service.store.blobs.object_store import Blob, Blobs
from service.store.database import Database
from service.store.errors import InUse, QuotaExceeded
from service.store.jobs import commands, jobs, retention
from service.store.runs import finishing, leases
from service.store.runs.finishing import Failure, Kept, Success
from service.store.runs.leases import Lease
from service.store.states import Reason
from service.store.tables import Artifact, Job, Owner, Run, StoredBlob, StoredDataset
from tests.service.store.conftest import Claim, Submit


class Store:
    """Saves blobs, and compares the counted bytes with the sum over the rows."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self.database = database
        self.blobs = blobs

    def keep(self, size: int) -> Blob:
        return saving.save(self.database, self.blobs, bytes(size))

    def counted(self) -> int:
        with self.database.transaction() as session:
            counted = {owner.name: owner.stored_bytes for owner in session.scalars(select(Owner))}
            for owner in ("ann", "bob"):
                assert counted.get(owner, 0) == _added_up(session, owner)
        return counted.get("ann", 0)


def _added_up(session: Session, owner: str) -> int:
    job_ids = select(Job.id).where(Job.owner == owner)
    found = [
        select(func.sum(Artifact.size)).where(Artifact.job_id.in_(job_ids)),
        select(func.sum(func.greatest(StoredDataset.size, StoredDataset.decoded_size))).where(
            StoredDataset.owner == owner
        ),
        *(
            select(func.sum(StoredBlob.size))
            .join(Run, column == StoredBlob.digest)
            .where(Run.job_id.in_(job_ids))
            for column in (Run.checkpoint_digest, Run.log_digest)
        ),
    ]
    return int(sum(session.scalar(query) or 0 for query in found))


@pytest.fixture
def store(database: Database, blobs: Blobs) -> Store:
    return Store(database, blobs)


def lease_of(claim: Claim, owner: str = "ann") -> Lease:
    """The lease on the next run of an owner."""
    while True:
        claimed = claim()
        assert claimed is not None
        if claimed.owner == owner:
            return claimed.lease


def test_checkpoints_logs_and_files_of_a_run_count_until_they_are_deleted(
    store: Store, submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit(owner="bob")
    job_id = submit()
    lease = lease_of(claim)
    for size in (500, 700):
        kept = store.keep(size)
        with database.transaction() as session:
            leases.save_checkpoint(session, lease, kept.digest)
        assert store.counted() == size
    log = store.keep(30)
    with database.transaction() as session:
        finishing.fail(session, lease, Failure(Reason.INTERNAL, "", log), settings)
    assert store.counted() == 730

    with database.transaction() as session:
        commands.retry(session, jobs.get(session, job_id), afresh=True)
    assert store.counted() == 30
    lease = lease_of(claim)
    with database.transaction() as session:
        leases.save_checkpoint(session, lease, store.keep(500).digest)
    files = [Kept(str(size), store.keep(size), "x") for size in (1000, 2000, 1000)]
    files[2] = Kept("equal", files[0].blob, "x")
    with database.transaction() as session:
        finishing.succeed(session, lease, Success(None, files, log=log), settings)
    assert store.counted() == 4030, "the checkpoint of a succeeded run is deleted"

    with database.transaction() as session:
        commands.delete(session, jobs.get(session, job_id))
    assert store.counted() == 0


def test_expired_jobs_no_longer_count(
    store: Store, submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    for size in (10, 20):
        submit()
        files = [Kept("masks.npz", store.keep(size), "x")]
        with database.transaction() as session:
            finishing.succeed(session, lease_of(claim), Success(None, files), settings)
    assert store.counted() == 30
    with database.transaction() as session:
        session.execute(update(Job).values(finished_at=func.now() - timedelta(days=2)))
        assert retention.expire_jobs(session, timedelta(days=1), "keep") == 2
    assert store.counted() == 0


def test_a_data_set_can_be_deleted_only_if_no_job_uses_it(
    store: Store, submit: Submit, database: Database
) -> None:
    with database.transaction() as session:
        used, unused = (
            datasets.add(session, "ann", name, store.keep(size), {}, 0)
            for name, size in (("used", 1), ("unused", 2))
        )
    job_id = submit(dataset_id=used.id)
    with database.transaction() as session:
        datasets.delete(session, unused)
        with pytest.raises(InUse, match=job_id):
            datasets.delete(session, used)


def test_data_sets_count_until_they_are_deleted(store: Store, database: Database) -> None:
    blob = store.keep(400)
    with database.transaction() as session:
        dataset = datasets.add(session, "ann", "mine", blob, {}, 0)
    assert store.counted() == 400
    with database.transaction() as session:
        datasets.delete(session, datasets.get(session, dataset.id))
    assert store.counted() == 0


def test_a_data_set_counts_as_its_decoded_arrays_if_they_are_larger(
    store: Store, database: Database
) -> None:
    """A compressed file can decode to many times its size."""
    with database.transaction() as session:
        small = datasets.add(session, "ann", "deflated", store.keep(3), {}, 400)
        datasets.add(session, "ann", "as it is", store.keep(20), {}, 17)
        owners.set_quota(session, "ann", Quota(max_stored_bytes=500))
    assert store.counted() == 420
    with (
        pytest.raises(QuotaExceeded, match=r"stores 420 bytes, 420 of them.* 81 more"),
        database.transaction() as session,
    ):
        datasets.add(session, "ann", "one too many", store.keep(4), {}, 81)
    with database.transaction() as session:
        datasets.delete(session, datasets.get(session, small.id))
    assert store.counted() == 20


def test_an_owner_over_the_byte_quota_can_add_nothing_until_a_deletion(
    store: Store, submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    others, waiting, job_id, last = submit(owner="bob"), submit(pool="gpu"), submit(), submit()
    files = [Kept("masks.npz", store.keep(900), "x")]
    with database.transaction() as session:
        finishing.succeed(session, lease_of(claim), Success(None, files), settings)
        owners.set_quota(session, "ann", Quota(max_stored_bytes=1000))
        datasets.add(session, "bob", "others", files[0].blob, {}, 0)
        for ended in (others, last):
            commands.cancel(session, jobs.get(session, ended))
    small, large = store.keep(100), store.keep(101)
    with pytest.raises(QuotaExceeded, match="101 more"), database.transaction() as session:
        datasets.add(session, "ann", "large", large, {}, 0)
    submit()
    with database.transaction() as session:
        datasets.add(session, "ann", "small", small, {}, 0)

    with pytest.raises(QuotaExceeded) as refused:
        submit()
    for part in ("stores 1,000 bytes", "100 of them in data sets", "may store 1,000", job_id):
        assert part in str(refused.value)
    assert waiting not in str(refused.value), "an unfinished job cannot be deleted"
    submit(owner="bob")
    with database.transaction() as session:
        commands.delete(session, jobs.get(session, job_id))
    submit()
