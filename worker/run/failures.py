"""Turns exceptions of a run into failures with a message for the user."""

import errno
import re
from dataclasses import replace

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from lth.core.errors import Diverged, LotteryError
from service.store.blobs.object_store import BlobDamaged, BlobMissing, StorageFailed
from service.store.runs.finishing import Failure
from service.store.states import Reason
from worker.child.redaction import Redaction

_MEMORY_MESSAGES = re.compile(
    "RESOURCE_EXHAUSTED|out of memory|OUT_OF_MEMORY|_ALLOC_FAILED", re.IGNORECASE
)
"""Messages of CUDA, cuDNN and cuBLAS in TensorFlow's exceptions."""
_MEMORY_ERRORS = frozenset({"ResourceExhaustedError", "_ArrayMemoryError", "OutOfMemoryError"})
"""Names of TensorFlow's exceptions, because this module must not import TensorFlow."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_STORABLE = re.compile("[\\0\\ud800-\\udfff]")
_MOST_CHARACTERS = 4_000


def failure_of(error: BaseException, redaction: Redaction) -> Failure:
    """The reason of a failure, and a message that says what happened and what to do.

    The message is short, can be stored in Postgres, and shows no address or secret of the service.
    """
    failure = _failure_of(error)
    message = _NOT_STORABLE.sub("?", redaction.text(failure.message))
    if len(message) > _MOST_CHARACTERS:
        message = f"{message[: _MOST_CHARACTERS // 2]} [...] {message[-_MOST_CHARACTERS // 2 :]}"
    return replace(failure, message=message)


def _failure_of(error: BaseException) -> Failure:
    if isinstance(error, Diverged):
        return Failure(Reason.DIVERGED, str(error))
    if _is_out_of_memory(error):
        advice = "try a smaller batch or network, or a pool whose devices have more memory"
        return Failure(Reason.OUT_OF_MEMORY, f"the device is out of memory; {advice}")
    if isinstance(error, LotteryError):
        return Failure(Reason.USER_ERROR, str(error))
    if isinstance(error, ValidationError):
        return Failure(
            Reason.USER_ERROR,
            f"this version does not accept the spec of the job; submit the job again: {error}",
        )
    if isinstance(error, StorageFailed | BlobMissing | BlobDamaged):
        # Messages of the object store contain its address, which only the worker's log may have.
        if isinstance(error, StorageFailed):
            return Failure(
                Reason.INTERNAL, "the object store failed; retry the job when it is available again"
            )
        advice = "ask the operator to run 'lth verify --requeue', then retry the job"
        return Failure(Reason.INTERNAL, f"{error}; {advice}")
    if isinstance(error, SQLAlchemyError):
        return Failure(
            Reason.INTERNAL, "the database failed; retry the job when it is available again"
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return Failure(
            Reason.INTERNAL,
            "the worker's directory for temporary files is full; ask the operator for more space "
            "in TMPDIR, then retry the job, or submit one with fewer rewind points",
        )
    return Failure(
        Reason.INTERNAL,
        f"{type(error).__name__}: {error}; this is a defect of the service: please report it with "
        "the run's log",
    )


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ in _MEMORY_ERRORS:
        return True
    of_tensorflow = type(error).__module__.partition(".")[0] == "tensorflow"
    return of_tensorflow and _MEMORY_MESSAGES.search(str(error)) is not None
