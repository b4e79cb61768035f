"""A process refuses to work with another object store than the rest of the service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.store.blobs import identity
from service.store.blobs.identity import WrongStore
from service.store.blobs.object_store import Blobs, StorageFailed
from service.store.database import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, 2)
    yield database
    database.close()


def store(tmp_path: Path, name: str) -> Blobs:
    return Blobs((tmp_path / name).as_uri())


def test_a_service_gets_one_identity(database: Database, tmp_path: Path) -> None:
    ours = store(tmp_path, "ours")
    assert not identity.compare(database, ours), "the service has no identity yet"
    identity.establish(database, ours)
    written = ours.identity()
    assert written
    identity.establish(database, ours)
    assert ours.identity() == written
    assert identity.compare(database, store(tmp_path, "ours"))


def test_another_store_is_refused_with_both_identities(database: Database, tmp_path: Path) -> None:
    ours, other = store(tmp_path, "ours"), store(tmp_path, "other")
    identity.establish(database, ours)
    other.identify("f" * 32)
    for check in (identity.compare, identity.establish):
        with pytest.raises(WrongStore) as refused:
            check(database, other)
        message = str(refused.value)
        for part in ("LTH_OBJECT_STORE_URL", other.url, "f" * 32, ours.identity() or "?"):
            assert part in message


def test_a_store_without_an_identity_is_refused(database: Database, tmp_path: Path) -> None:
    identity.establish(database, store(tmp_path, "ours"))
    with pytest.raises(WrongStore, match="no identity"):
        identity.establish(database, store(tmp_path, "empty"))


def test_a_restored_service_accepts_a_new_store(database: Database, tmp_path: Path) -> None:
    identity.establish(database, store(tmp_path, "ours"))
    identity.renew(database, store(tmp_path, "new"))
    assert identity.compare(database, store(tmp_path, "new"))


def test_a_database_without_an_identity_adopts_the_identity_of_its_store(
    database: Database, tmp_path: Path
) -> None:
    ours = store(tmp_path, "ours")
    ours.identify("a" * 32)
    identity.establish(database, ours)
    assert ours.identity() == "a" * 32
    assert identity.compare(database, ours)


def test_an_unavailable_store_is_not_reported_as_a_wrong_store(
    database: Database, tmp_path: Path
) -> None:
    ours = store(tmp_path, "ours")
    identity.establish(database, ours)
    (tmp_path / "ours").rename(tmp_path / "away")
    (tmp_path / "ours").write_text("no folder")
    with pytest.raises(StorageFailed):
        identity.compare(database, ours)
