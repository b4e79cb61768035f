"""What an exception in a run becomes for the person who submitted it."""

from service.store.blobs import StorageFailed
from worker.failures import failure_of


def test_where_the_object_store_is_nobody_is_told() -> None:
    failure = failure_of(StorageFailed("cannot be read: error at http://inside:8333/lth"))
    assert "object store" in failure.message
    assert "inside" not in failure.message
