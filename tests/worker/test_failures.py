"""What an exception in a run becomes for the person who submitted it."""

from lth.errors import Diverged
from service.store.blobs import StorageFailed
from service.store.states import Reason
from worker.failures import failure_of


def test_a_training_that_diverged_is_told_once_what_may_help() -> None:
    failure = failure_of(Diverged("the training loss became nan"))
    assert failure.reason is Reason.DIVERGED
    assert failure.message.count("learning rate") == 1
    assert "clipping" not in failure.message, "there is none to choose"


def test_where_the_object_store_is_nobody_is_told() -> None:
    failure = failure_of(StorageFailed("cannot be read: error at http://inside:8333/lth"))
    assert "object store" in failure.message
    assert "inside" not in failure.message
