"""Only old and unused data is deleted."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from lth.spec.document import parse_spec
from lth.spec.plan import plan
from service.settings import Settings
from service.store.accounts.audit import Actor
from service.store.blobs import saving
from service.store.blobs.object_store import Blob, Blobs
from service.store.database import Database
from service.store.jobs import submitting
from service.store.jobs.submitting import Idempotency, Submission
from service.store.runs import trunks
from service.store.tables import BlobDoubt, IdempotentRequest, Job, StoredBlob, Trunk
from worker.beat.housekeeping import tidy


@pytest.fixture
def settings(database_url: str, object_store_url: str) -> Settings:
    return Settings(database_url=database_url, object_store_url=object_store_url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def blobs(object_store_url: str) -> Blobs:
    return Blobs(object_store_url)


def submit(
    database: Database, settings: Settings, name: str, key: str | None = None, **labels: str
) -> str:
    spec = parse_spec({"kind": "model", "name": name, "labels": labels})
    again = Idempotency(key, "") if key else None
    submission = Submission(Actor("ann"), spec, plan(spec), idempotency=again)
    return submitting.submit(database, submission, settings).job.id


def age_doubts(database: Database, seconds: float) -> None:
    with database.transaction() as session:
        session.execute(update(BlobDoubt).values(at=BlobDoubt.at - timedelta(seconds=seconds)))


def names(database: Database) -> list[str]:
    with database.transaction() as session:
        return list(session.scalars(select(Job.name).order_by(Job.name)))


def test_old_finished_jobs_are_deleted_unless_they_have_the_keep_label(
    database: Database, settings: Settings, blobs: Blobs
) -> None:
    ended = {name: submit(database, settings, name) for name in ("old", "young")}
    ended["kept"] = submit(database, settings, "kept", keep="")
    submit(database, settings, "unfinished")
    with database.transaction() as session:
        for name, job_id in ended.items():
            age = timedelta(days=7, minutes=-1 if name == "young" else 1)
            session.execute(
                update(Job).where(Job.id == job_id).values(finished_at=func.now() - age)
            )
        session.execute(update(Job).values(created_at=func.now() - timedelta(days=99)))

    tidy(settings, database, blobs)
    assert names(database) == ["kept", "old", "unfinished", "young"]
    tidy(settings.model_copy(update={"retention_days": 7}), database, blobs)
    assert names(database) == ["kept", "unfinished", "young"]


def test_idempotency_keys_expire(database: Database, settings: Settings, blobs: Blobs) -> None:
    for key, minutes in (("old", 1), ("young", -1)):
        job_id = submit(database, settings, key, key)
        age = timedelta(hours=settings.idempotency_hours, minutes=minutes)
        with database.transaction() as session:
            session.execute(
                update(IdempotentRequest)
                .where(IdempotentRequest.job_id == job_id)
                .values(created_at=func.now() - age)
            )

    tidy(settings, database, blobs)
    with database.transaction() as session:
        assert session.scalars(select(IdempotentRequest.key)).all() == ["young"]
    assert names(database) == ["old", "young"]


def test_an_unused_trunk_is_deleted_with_its_blob(
    database: Database, settings: Settings, blobs: Blobs
) -> None:
    for key in ("old", "found", "young"):
        blob = saving.save(database, blobs, key.encode())
        days = settings.trunk_days + (-0.1 if key == "young" else 0.1)
        with database.transaction() as session:
            trunks.save(session, key, blob.digest)
            used = func.now() - timedelta(days=days)
            session.execute(update(Trunk).where(Trunk.key == key).values(used_at=used))
            session.execute(update(StoredBlob).values(touched_at=used))
    with database.transaction() as session:
        assert trunks.find(session, "found") is not None

    tidy(settings, database, blobs)
    age_doubts(database, settings.blob_grace_seconds + 60)
    tidy(settings, database, blobs)
    with database.transaction() as session:
        assert session.scalars(select(Trunk.key).order_by(Trunk.key)).all() == ["found", "young"]
        left = session.scalars(select(StoredBlob.digest)).all()
    assert sorted(map(blobs.get, left)) == [b"found", b"young"]
    assert blobs.size(Blob.of(b"old").digest) is None


def test_old_rows_are_deleted_in_batches_and_young_rows_stay(
    database: Database, settings: Settings, blobs: Blobs
) -> None:
    old = timedelta(seconds=settings.blob_grace_seconds + 60)
    many = "INSERT INTO blobs (digest, size) SELECT 'b' || n, 1 FROM generate_series(1, 250) n"
    with database.transaction() as session:
        session.execute(text(many))
        session.execute(update(StoredBlob).values(touched_at=func.now() - old))
    age_doubts(database, old.total_seconds())
    young = saving.save(database, blobs, b"young")
    with database.transaction() as session:
        just = func.now() - timedelta(seconds=settings.blob_grace_seconds - 60)
        touched = update(StoredBlob).where(StoredBlob.digest == young.digest)
        session.execute(touched.values(touched_at=just))
        session.execute(update(BlobDoubt).where(BlobDoubt.digest == young.digest).values(at=just))

    tidy(settings, database, blobs)
    with database.transaction() as session:
        assert session.scalars(select(StoredBlob.digest)).all() == [young.digest]
    assert blobs.get(young.digest) == b"young"
