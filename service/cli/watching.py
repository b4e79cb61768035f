"""Following a job on the screen: one bar a run, and a line for what is out of the ordinary."""

from collections.abc import Iterable

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from service.cli.screen import err
from service.client import Event

_ENDED = {"run_succeeded": "done", "run_failed": "failed", "run_cancelled": "cancelled"}


def show_events(events: Iterable[Event]) -> None:
    """Show events until they end. On a screen bars move; in a log one line a level is written."""
    if not err.is_terminal:
        for event in events:
            _log(event)
        return
    bars = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        console=err,
    )
    with bars:
        board = _Board(bars)
        for event in events:
            board.show(event)


class _Board:
    """The bars of a job's runs."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def show(self, event: Event) -> None:
        if event.kind in ("progress", "evaluation"):
            at = event.data
            done = at["level"] * at["iterations"] + at["iteration"]
            total = (at["levels"] + 1) * at["iterations"]
            self._bars.update(self._task(event), completed=done, total=total, said=_said(event))
        elif event.kind == "run_started":
            self._task(event)
        elif event.kind in _ENDED:
            self._end(event)
        elif event.kind == "run_requeued":
            self._bars.console.print(f"{event.run}: {_why(event)}; it starts again", markup=False)
            self._bars.reset(self._task(event), said="waits for a worker")

    def _end(self, event: Event) -> None:
        task = self._task(event)
        if event.kind == "run_succeeded":
            self._bars.update(task, completed=1, total=1, said="done")
        else:
            self._bars.update(task, said=_ENDED[event.kind])
            self._bars.console.print(f"{event.run}: {_why(event)}", markup=False)
        self._bars.stop_task(task)

    def _task(self, event: Event) -> TaskID:
        run = event.run or ""
        if run not in self._tasks:
            self._tasks[run] = self._bars.add_task(run, total=None, said="")
        return self._tasks[run]


def _log(event: Event) -> None:
    quiet = event.kind == "progress"
    if not quiet:
        said = f" {_said(event)}" if event.kind == "evaluation" else ""
        why = f": {_why(event)}" if event.kind in ("run_failed", "run_requeued") else ""
        run = f" {event.run}" if event.run else ""
        err.print(f"{event.at:%H:%M:%S} {event.kind}{run}{said}{why}", markup=False, soft_wrap=True)


def _said(event: Event) -> str:
    at = event.data
    where = f"level {at['level']}/{at['levels']}  {at['samples_per_second']:>9,.0f} samples/s"
    scores = at.get("validation")
    return f"{where}  validation {scores['accuracy']:.1%}" if scores else where


def _why(event: Event) -> str:
    data = event.data
    said = [str(data[name]) for name in ("reason", "message", "why", "needs") if data.get(name)]
    return ": ".join(said) or event.kind
