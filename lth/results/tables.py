"""Results as tables of plain text: what a terminal and a notebook show."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lth.results.schemas import LevelSummary, Statistic, Summary

_SUMMARY = ("experiment", "level", "kept", "test accuracy", "±", "early stop", "±")
_EXPLAINED = "means over trials, at the early stop; ±: half of the 95 % interval by Student's t"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths).rstrip() for row in rows]


def summary_table(summary: "Summary") -> str:
    """Accuracy and early stop of every experiment at every level."""
    rows = [
        (experiment.experiment if level.level == 0 else "", *_cells(level))
        for experiment in summary.experiments
        for level in experiment.levels
    ]
    head, *body = aligned([_SUMMARY, *rows])
    return "\n".join([head, "-" * len(head), *body, _EXPLAINED, *summary.remarks])


def _cells(level: "LevelSummary") -> tuple[str, ...]:
    accuracy = level.metrics["early_stop_test_accuracy"]
    stop = level.metrics["early_stop_iteration"]
    return (
        "dense" if level.level == 0 else f"{level.level}",
        f"{level.density:.2%}",
        f"{accuracy.mean:.2%}",
        f"{half:.2%}" if (half := _half(accuracy)) is not None else "",
        f"{stop.mean:,.0f}",
        f"{half:,.0f}" if (half := _half(stop)) is not None else "",
    )


def _half(statistic: "Statistic") -> float | None:
    return statistic.interval and statistic.interval[1] - statistic.mean


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *others = zip(cells, widths, strict=True)
    return "  ".join([name[0].ljust(name[1]), *(cell.rjust(width) for cell, width in others)])
