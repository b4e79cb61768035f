"""Observers of a study: the progress bar, functions, and the user's own observers."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from lth.core.errors import SpecError
from lth.engine.observer import Observer, Progress, TrainedLevel

Observing = Observer | Callable[[Progress], Any] | Literal["bar"] | None
"""An observer, a function of `Progress`, "bar" for a progress bar, or None for no output."""


class ProgressBar(Observer):
    """Shows experiment, trial, level, accuracy and remaining time, on one line.

    It writes to standard error if that is a terminal, and below the cell in a notebook. Elsewhere,
    such as in a log file, it writes nothing.
    """

    def __init__(self) -> None:
        self._what = ""
        self._display = _display()
        self._began = time.monotonic()

    def experiment_started(self, experiment: str, trial: int) -> None:
        """Show another experiment."""
        self._what = f"{experiment}, trial {trial}"
        self._began = time.monotonic()

    def progress(self, progress: Progress) -> None:
        """Update the line."""
        if self._display is not None:
            done = progress.level * progress.iterations + progress.iteration
            share = done / ((progress.levels + 1) * progress.iterations)
            self._display.show(self._what, str(progress), share, self._left(share))

    def level_restored(self, level: TrainedLevel) -> None:
        """Count the remaining time from here."""
        self._began = time.monotonic()

    def close(self) -> None:
        """End the line."""
        if self._display is not None:
            self._display.close()

    def _left(self, share: float) -> str:
        seconds = (time.monotonic() - self._began) * (1 - share) / max(share, 1e-9)
        minutes, seconds = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f"{clock} left"


class _Terminal:
    """A bar in a terminal."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[left]}  {task.fields[said]}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._bars.add_task("", total=1.0, left="", said="")

    def show(self, what: str, said: str, share: float, left: str) -> None:
        self._bars.start()
        self._bars.update(self._task, description=what, completed=share, left=left, said=said)

    def close(self) -> None:
        self._bars.stop()


class _Notebook:
    """A line of text in a notebook, which is replaced at each update."""

    _WIDTH = 20

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, what: str, said: str, share: float, left: str) -> None:
        from IPython.display import Pretty, display  # pyright: ignore[reportMissingImports]

        full = round(share * self._WIDTH)
        bar = "█" * full + "░" * (self._WIDTH - full)
        line = Pretty(f"{what}  {bar}  {left}  {said}")
        if self._handle is None:
            self._handle = display(line, display_id=True)
        else:
            self._handle.update(line)

    def close(self) -> None:
        """Keep the last line."""


def _display() -> _Terminal | _Notebook | None:
    """Where to show a bar, if anywhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None and type(shell).__name__ == "ZMQInteractiveShell":
        return _Notebook()
    console = Console(stderr=True)
    return _Terminal(console) if console.is_terminal else None


class _Calling(Observer):
    """Calls a function with the progress."""

    def __init__(self, function: Callable[[Progress], Any]) -> None:
        self._function = function

    def progress(self, progress: Progress) -> None:
        self._function(progress)


@contextmanager
def observing(given: Observing) -> Iterator[Observer]:
    """The observer that an argument stands for. A progress bar ends with this context.

    Raises:
        SpecError: if it is none of the kinds of `Observing`.
    """
    if given == "bar":
        bar = ProgressBar()
        try:
            yield bar
        finally:
            bar.close()
    elif given is None:
        yield Observer()
    elif isinstance(given, Observer):
        yield given
    elif callable(given):
        yield _Calling(given)
    else:
        raise _not_an_observer(given)


def _not_an_observer(given: Any) -> SpecError:
    return SpecError(
        f"{given!r} is not an observer; give 'bar', None, a function of the progress, or an object "
        "of a class that is derived from lth.Observer"
    )
