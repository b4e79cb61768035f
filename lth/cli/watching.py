"""Shows the progress of a job: a bar for each running run, and a line for each other event."""

from collections.abc import Iterable
from typing import Any

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
)

from lth.cli.screen import err, say
from lth.client import Event

_ENDED = {"run_succeeded": "done", "run_failed": "failed", "run_cancelled": "cancelled"}


def show_events(events: Iterable[Event]) -> None:
    """Show events until they end.

    A terminal shows bars; other output gets one line for each level.
    """
    if not err.is_terminal:
        for event in events:
            _log(event)
        return
    bars = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=8),
        TaskProgressColumn(),
        TextColumn("{task.fields[said]}", markup=False),
        console=err,
    )
    with bars:
        board = _Board(bars)
        for event in events:
            board.show(event)


class _Board:
    """The bars of the running runs, with a line above them for each finished run."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def show(self, event: Event) -> None:
        if event.kind in ("progress", "evaluation"):
            at = event.data
            done = at["level"] * at["iterations"] + at["iteration"]
            total = (at["levels"] + 1) * at["iterations"]
            self._bars.update(self._task(event), completed=done, total=total, said=_said(event))
        elif event.kind == "level_finished":
            say(f"{event.run}: {_level(event.data)}")
        elif event.kind == "run_started":
            self._task(event)
        elif event.kind in _ENDED:
            self._end(event, _ENDED[event.kind])
        elif event.kind == "run_requeued":
            self._end(event, "waits for a worker again")

    def _end(self, event: Event, how: str) -> None:
        task = self._tasks.pop(event.run or "", None)
        if task is not None:
            self._bars.remove_task(task)
        say(f"{event.run}: {how}{_because(event)}")

    def _task(self, event: Event) -> TaskID:
        run = event.run or ""
        if run not in self._tasks:
            self._tasks[run] = self._bars.add_task(run, total=None, said="")
        return self._tasks[run]


def _log(event: Event) -> None:
    if event.kind == "progress":
        return
    match event.kind, event.data:
        case "evaluation", _:
            said = f" {_said(event)}"
        case "level_finished", level:
            said = f" {_level(level)}"
        case "job_finished", {"state": state}:
            said = f" {state}"
        case _:
            said = ""
    run = f" {event.run}" if event.run else ""
    say(f"{event.at:%H:%M:%S} {event.kind}{run}{said}{_because(event)}")


def _said(event: Event) -> str:
    at = event.data
    where = f"level {at['level']}/{at['levels']}  {at['samples_per_second']:>9,.0f} samples/s"
    scores = at.get("validation")
    return f"{where}  validation {scores['accuracy']:.1%}" if scores else where


def _level(level: dict[str, Any]) -> str:
    """The numbers of a finished level, as the table of results has them."""
    name = "dense" if level["level"] == 0 else f"level {level['level']}"
    if "density" not in level:  # an event of an older version
        return name
    return (
        f"{name}  density {level['density']:.2%}  stop at {level['early_stop_iteration']:,} it  "
        f"test {level['early_stop_test_accuracy']:.2%}  at end {level['final_test_accuracy']:.2%}"
    )


def _because(event: Event) -> str:
    data = event.data
    said = [str(data[name]) for name in ("reason", "message", "why") if data.get(name)]
    if "needs" in data:
        said.append(f"it needs {data['needs']}")
    return f": {': '.join(said)}" if said else ""
