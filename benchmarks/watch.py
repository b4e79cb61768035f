"""Measures the time of a contestant in compiled code, and holds what it closes afterwards."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from time import perf_counter
from typing import Any


class Watch:
    """A stopwatch that runs during calls of watched functions, which must wait for their results.

    Attributes:
        seconds: the total time of these calls.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def on(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a stopwatch around each call."""

        @wraps(function)
        def watched(*arguments: Any, **named: Any) -> Any:
            began = perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += perf_counter() - began

        return watched

    def on_engine(self) -> None:
        """Watch the compiled calls of the engine in this process."""
        from lth.engine.program import Program

        for name in ("train", "evaluate", "gradients"):
            setattr(Program, name, self.on(getattr(Program, name)))


WATCH = Watch()
"""The stopwatch of this process."""

AFTERWARDS = ExitStack()
"""Contexts of a contestant that are closed after the measurement."""
