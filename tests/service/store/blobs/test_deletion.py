"""Blobs are saved before rows refer to them, and deleted only without references."""

import threading
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from service.settings import Settings
from service.store.blobs import deletion, saving
from service.store.blobs.object_store import Blob, BlobDamaged, BlobMissing, Blobs
from service.store.database import Database
from service.store.jobs import commands, jobs, retention
from service.store.runs import finishing, leases
from service.store.runs.finishing import Kept, Success
from service.store.tables import Job, StoredBlob, Table
from tests.service.store.conftest import Claim, Submit

NOW = timedelta(0)


def collect(database: Database, blobs: Blobs, grace: timedelta = NOW) -> int:
    return deletion.collect(database, blobs, grace)


def test_the_collector_knows_every_reference_to_blobs() -> None:
    references = {
        key.parent
        for table in Table.metadata.tables.values()
        for key in table.foreign_keys
        if key.column is StoredBlob.__table__.c.digest
    }
    assert {column.property.columns[0] for column in deletion._REFERENCES} == references


def test_a_blob_is_deleted_after_its_last_reference_and_the_grace_period(
    submit: Submit, claim: Claim, database: Database, blobs: Blobs, settings: Settings
) -> None:
    job_id = submit()
    blob = saving.save(database, blobs, b"masks")
    claimed = claim()
    assert claimed is not None
    with database.transaction() as session:
        finishing.succeed(session, claimed.lease, Success(None, [Kept("m", blob, "x")]), settings)
    assert collect(database, blobs) == 0

    with database.transaction() as session:
        commands.delete(session, jobs.get(session, job_id))
    assert collect(database, blobs, timedelta(hours=1)) == 0, "young blobs are not deleted"
    assert blobs.get(blob.digest) == b"masks"
    assert collect(database, blobs) == 1
    with pytest.raises(BlobMissing):
        blobs.get(blob.digest)


def test_used_blobs_do_not_prevent_the_deletion_of_unused_blobs(
    submit: Submit, claim: Claim, database: Database, blobs: Blobs
) -> None:
    submit()
    claimed = claim()
    assert claimed is not None
    used, unused, last = (
        saving.save(database, blobs, content) for content in (b"used", b"unused", b"last")
    )
    with database.transaction() as session:
        leases.save_checkpoint(session, claimed.lease, used.digest)

    assert collect(database, blobs) == 2
    sizes = [blobs.size(blob.digest) for blob in (used, unused, last)]
    assert sizes == [4, None, None]


def test_a_collector_concurrent_with_commits_never_deletes_a_referenced_blob(
    submit: Submit, claim: Claim, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Without a grace period, the collector sees blobs before their references are committed."""
    ended = threading.Event()
    failures: list[BaseException] = []

    def collect_repeatedly() -> None:
        try:
            while not ended.is_set():
                collect(database, blobs)
        except BaseException as error:
            failures.append(error)

    collector = threading.Thread(target=collect_repeatedly)
    collector.start()
    committed: list[Blob] = []
    collisions = 0
    try:
        for number in range(40):
            submit()
            claimed = claim()
            assert claimed is not None
            while True:
                blob = saving.save(database, blobs, f"content {number % 7}".encode())
                try:
                    with database.transaction() as session:
                        kept = Kept("masks.npz", blob, "x")
                        finishing.succeed(session, claimed.lease, Success(None, [kept]), settings)
                    break
                except IntegrityError:
                    collisions += 1
            committed.append(blob)
    finally:
        ended.set()
        collector.join()

    assert not failures
    assert {blobs.get(blob.digest) for blob in committed} == {
        f"content {n}".encode() for n in range(7)
    }


def test_a_damaged_blob_is_detected_when_it_is_read(blobs: Blobs, object_store_url: str) -> None:
    blob = blobs.put(b"right")
    path = Path(object_store_url.removeprefix("file://")) / blob.digest[:2] / blob.digest
    path.write_bytes(b"wrong")

    with pytest.raises(BlobDamaged):
        blobs.get(blob.digest)
    with pytest.raises(BlobDamaged):
        list(blobs.stream(blob.digest))


def test_ranges_and_streams_give_the_same_bytes(blobs: Blobs) -> None:
    content = bytes(range(256)) * 20_000
    blob = Blob.of_file(BytesIO(content))
    blobs.put_file(blob, BytesIO(content))

    assert blob == Blob.of(content)
    assert b"".join(blobs.stream(blob.digest)) == content
    assert b"".join(blobs.part(blob.digest, 5, 5000)) == content[5:5000]
    assert b"".join(blobs.part(blob.digest, 0, 5000)) == content[:5000]
    end = len(content)
    assert b"".join(blobs.part(blob.digest, 4_000_000, end)) == content[4_000_000:]
    assert blobs.size(blob.digest) == len(content)
    assert blobs.size("0" * 64) is None
    with pytest.raises(BlobMissing):
        blobs.stream("0" * 64)


def test_an_existing_blob_is_not_saved_again_unless_it_is_truncated(tmp_path: Path) -> None:
    blobs = Blobs((tmp_path / "a folder").as_uri())
    blob = blobs.put(b"right")
    path = tmp_path / "a folder" / blob.digest[:2] / blob.digest
    first = path.stat().st_ino
    blobs.put(b"right")
    assert path.stat().st_ino == first

    path.write_bytes(b"rig")
    blobs.put(b"right")
    assert path.read_bytes() == b"right"


def test_old_jobs_are_deleted_unless_they_have_the_keep_label(
    submit: Submit, database: Database
) -> None:
    old, kept, young = submit(), submit({"labels": {"keep": "yes"}}), submit()
    with database.transaction() as session:
        for job_id, age in ((old, 3), (kept, 3), (young, 1)):
            finished = func.now() - timedelta(days=age)
            session.execute(update(Job).where(Job.id == job_id).values(finished_at=finished))

    with database.transaction() as session:
        assert retention.expire_jobs(session, timedelta(days=2), "keep") == 1

    with database.transaction() as session:
        assert set(session.scalars(select(Job.id))) == {kept, young}


def test_a_referenced_blob_is_not_discarded(
    submit: Submit, claim: Claim, database: Database, blobs: Blobs
) -> None:
    submit()
    claimed = claim()
    assert claimed is not None
    used, unused = (saving.save(database, blobs, content) for content in (b"used", b"unused"))
    with database.transaction() as session:
        leases.save_checkpoint(session, claimed.lease, used.digest)

    with database.transaction() as session:
        assert not deletion.discard(session, blobs, used.digest)
        assert deletion.discard(session, blobs, unused.digest)

    assert (blobs.size(used.digest), blobs.size(unused.digest)) == (4, None)
