"""How much of a contestant's time goes to compiled code, and what is ended after its time."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from time import perf_counter
from typing import Any


class Watch:
    """Runs while a function runs that it was put on; the results must be waited for in there.

    Attributes:
        seconds: it has run so far.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def on(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, watched."""

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
"""Of this process."""

AFTERWARDS = ExitStack()
"""What a contestant leaves to be closed when its time has been taken."""
