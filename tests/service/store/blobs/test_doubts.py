"""Only blobs that may be unused are examined."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from service.settings import Settings
from service.store.blobs import datasets, deletion, saving
from service.store.blobs.object_store import Blob, Blobs
from service.store.database import Database
from service.store.jobs import commands, jobs
from service.store.runs import finishing, leases, trunks
from service.store.runs.finishing import Kept, Success
from service.store.tables import BlobDoubt, StoredBlob
from tests.service.store.conftest import Claim, Submit

NOW, HOUR = timedelta(0), timedelta(hours=1)


def doubted(database: Database) -> set[str]:
    with database.transaction() as session:
        return set(session.scalars(select(BlobDoubt.digest)))


def age(database: Database, by: timedelta) -> None:
    with database.transaction() as session:
        session.execute(update(StoredBlob).values(touched_at=StoredBlob.touched_at - by))
        session.execute(update(BlobDoubt).values(at=BlobDoubt.at - by))


def test_every_deleted_reference_creates_a_doubt(
    submit: Submit, claim: Claim, database: Database, blobs: Blobs, settings: Settings
) -> None:
    job_id = submit()
    claimed = claim()
    assert claimed is not None
    first, second, file, log, trunk, data = (
        saving.save(database, blobs, word.encode())
        for word in ("first", "second", "file", "log", "trunk", "data")
    )
    with database.transaction() as session:
        leases.save_checkpoint(session, claimed.lease, first.digest)
        uploaded = datasets.add(session, "ann", "mine", data, {}, 0)
    assert deletion.collect(database, blobs, HOUR) == 0
    assert len(doubted(database)) == 6, "new blobs are too young to be examined"
    with database.transaction() as session:
        leases.save_checkpoint(session, claimed.lease, second.digest)
        success = Success(None, [Kept("masks.npz", file, "x")], "key", trunk, log)
        finishing.succeed(session, claimed.lease, success, settings)
    assert deletion.collect(database, blobs, NOW) == 2, "both checkpoints"
    assert deletion.collect(database, blobs, NOW) == 0
    assert doubted(database) == set(), "used blobs are not examined again"

    with database.transaction() as session:
        commands.delete(session, jobs.get(session, job_id))
        datasets.delete(session, uploaded)
        deletion.forget_trunks(session, NOW)
        session.execute(text("DELETE FROM trunks"))
    assert doubted(database) == {file.digest, log.digest, trunk.digest, data.digest}
    assert deletion.collect(database, blobs, NOW) == 4
    deletion.collect(database, blobs, NOW)
    assert doubted(database) == set()


def test_a_used_blob_with_a_doubt_is_not_deleted(database: Database, blobs: Blobs) -> None:
    blob = saving.save(database, blobs, b"shared")
    with database.transaction() as session:
        trunks.save(session, "one", blob.digest)
        trunks.save(session, "other", blob.digest)
    with database.transaction() as session:
        session.execute(text("DELETE FROM trunks WHERE key = 'one'"))

    assert deletion.collect(database, blobs, NOW) == 0
    with database.transaction() as session:
        session.execute(text("DELETE FROM trunks WHERE key = 'other'"))
    assert deletion.collect(database, blobs, NOW) == 1


def test_a_blob_stays_for_the_grace_period_after_its_last_reference(
    database: Database, blobs: Blobs
) -> None:
    blob = saving.save(database, blobs, b"trunk")
    with database.transaction() as session:
        trunks.save(session, "key", blob.digest)
    age(database, 3 * HOUR)
    assert deletion.collect(database, blobs, HOUR) == 0
    with database.transaction() as session:
        session.execute(text("DELETE FROM trunks"))

    assert deletion.collect(database, blobs, HOUR) == 0
    age(database, 2 * HOUR)
    assert deletion.collect(database, blobs, HOUR) == 1


def test_a_blob_with_an_uncommitted_reference_is_examined_again(
    database: Database, blobs: Blobs
) -> None:
    blob = saving.save(database, blobs, b"trunk")
    with database.transaction() as session:
        trunks.save(session, "key", blob.digest)
        assert deletion.collect(database, blobs, NOW) == 0
        session.rollback()

    assert deletion.collect(database, blobs, NOW) == 1, "the reference was rolled back"


def test_saving_a_blob_does_not_wait_for_the_deletion_of_another(
    database: Database, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object store needs a long time to delete one blob."""
    kept = [saving.save(database, blobs, content) for content in (b"a", b"b", b"c")]
    deleting, finish = threading.Event(), threading.Event()
    delete = blobs.delete

    def delete_slowly(digest: str) -> None:
        deleting.set()
        assert finish.wait(60)
        delete(digest)

    monkeypatch.setattr(blobs, "delete", delete_slowly)
    collector = threading.Thread(target=deletion.collect, args=(database, blobs, NOW))
    collector.start()
    try:
        assert deleting.wait(60)
        with database.transaction() as session:
            session.execute(text("SET LOCAL lock_timeout = '5s'"))
            saving.enter(session, [blob for blob in kept if blob != kept[0]])
    finally:
        finish.set()
        collector.join()
    assert blobs.size(kept[0].digest) is None


def test_all_doubts_are_examined_if_they_exceed_one_batch(database: Database, blobs: Blobs) -> None:
    used = saving.save(database, blobs, b"used")
    with database.transaction() as session:
        trunks.save(session, "key", used.digest)
        enough = "SELECT :digest FROM generate_series(1, :number)"
        session.execute(
            text(f"INSERT INTO blob_doubts (digest) {enough}"),
            {"digest": used.digest, "number": 2 * deletion._BATCH},
        )
    unused = Blob.of(b"unused")
    with database.transaction() as session:
        saving.enter(session, [unused])

    assert deletion.collect(database, blobs, NOW) == 1
    assert doubted(database) == set()
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(StoredBlob)) == 1
