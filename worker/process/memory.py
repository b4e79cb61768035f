"""Frees the memory of an idle child."""

import ctypes
import gc
import logging

import psutil

from worker.child.child import Child
from worker.run import inputs

KEPT_BYTES = 64 << 20
"""The most bytes of data sets that stay loaded in an idle child; MNIST fits."""

log = logging.getLogger(__name__)


def resident() -> int:
    """Bytes of memory of this process."""
    return psutil.Process().memory_info().rss


def release(child: Child) -> None:
    """Release large data sets, and return free memory to the operating system."""
    before = resident()
    inputs.forget(KEPT_BYTES)
    child.execution.forget_data(KEPT_BYTES)
    gc.collect()
    _trim()
    log.debug("memory released: %d of %d bytes", before - resident(), before)


def grown_too_large(child: Child) -> bool:
    """Whether this process still holds much more memory than at its start.

    A child with a GPU loads CUDA's libraries in its first run, and ends after a long idle time
    anyway.
    """
    if child.gpu is not None:
        return False
    return resident() - child.resident_at_start > child.settings.idle_memory_bytes


def _trim() -> None:
    """Make the C library return free memory; only glibc can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
