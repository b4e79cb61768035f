"""Messages for the submitter about exceptions in a run."""

import errno
import re
import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from lth.core.errors import Diverged
from service.settings import Settings
from service.store.blobs.object_store import BlobDamaged, BlobMissing, StorageFailed
from service.store.states import Reason
from tests import ROOT
from worker.child.redaction import Redaction
from worker.run import failures


def failure_of(error: BaseException):
    return failures.failure_of(error, Redaction(Settings()))


def unreadable() -> ValidationError:
    """What an old spec is to a newer version."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("an old spec")
    return caught.value


class InternalError(Exception):
    """As TensorFlow's, of which the worker knows but the name of its module."""

    __module__ = "tensorflow.python.framework.errors_impl"


class ResourceExhaustedError(InternalError):
    """Of the same module."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ResourceExhaustedError("OOM when allocating tensor with shape[60,784]"),
        InternalError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes"),
        InternalError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        InternalError("cuDNN launch failure: CUDNN_STATUS_ALLOC_FAILED"),
        InternalError("CUDA runtime implicit initialization failed. Status: out of memory"),
    ],
)
def test_every_out_of_memory_error_is_recognized(error: Exception) -> None:
    assert failure_of(error).reason is Reason.OUT_OF_MEMORY


_EXHAUSTED = """
import resource
import tensorflow
from worker.child.redaction import Redaction
from worker.run.failures import failure_of
from service.settings import Settings

pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 30),) * 2)
square = tensorflow.function(lambda x: tensorflow.matmul(x, x, transpose_b=True))
try:
    square(tensorflow.ones((30_000, 10)))
except Exception as error:
    print(type(error).__name__, failure_of(error, Redaction(Settings())).reason)
"""


@pytest.mark.system
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_allocation_of_tensorflow_that_fails_is_recognized() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _EXHAUSTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["ResourceExhaustedError", "out_of_memory"]


@pytest.mark.parametrize(
    ("error", "reason", "said"),
    [
        (BlobMissing("no blob 00 in the object store"), Reason.INTERNAL, "no blob 00.*retry"),
        (
            BlobDamaged("other bytes than those of 00"),
            Reason.INTERNAL,
            "other bytes.*verify --requeue.*retry",
        ),
        (
            OSError(errno.ENOSPC, "no space"),
            Reason.INTERNAL,
            "files is full.*TMPDIR",
        ),
        (unreadable(), Reason.USER_ERROR, "submit the job again"),
        (ValueError("x" * 10_000), Reason.INTERNAL, r"^ValueError: x+ \[\.\.\.\] x+; .* report it"),
    ],
)
def test_a_failure_message_contains_advice(error: Exception, reason: Reason, said: str) -> None:
    failure = failure_of(error)
    assert failure.reason is reason
    assert re.search(said, failure.message)
    assert len(failure.message) < 5_000


@pytest.mark.parametrize(
    "error", [InternalError("CUDNN_STATUS_EXECUTION_FAILED"), ValueError("out of memory lane")]
)
def test_other_errors_are_not_out_of_memory(error: Exception) -> None:
    assert failure_of(error).reason is Reason.INTERNAL


def test_a_diverged_training_gives_advice_once() -> None:
    failure = failure_of(Diverged("the training loss became nan"))
    assert failure.reason is Reason.DIVERGED
    assert failure.message.count("learning rate") == 1
    assert "clipping" not in failure.message, "there is none to choose"


def test_a_failure_does_not_show_the_address_of_the_object_store() -> None:
    failure = failure_of(StorageFailed("cannot be read: error at http://inside:8333/lth"))
    assert "object store" in failure.message
    assert "inside" not in failure.message
