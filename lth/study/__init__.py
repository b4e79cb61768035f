"""The classes for notebooks, and the function that a worker calls to execute a run."""

from lth.core.keras_backend import check_backend

check_backend()
