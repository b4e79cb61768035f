"""How studies and summaries look in a notebook: tables in HTML."""

from collections.abc import Iterable, Sequence
from html import escape

from lth.results.schemas import LevelResult, RunResult

_COLUMNS = ("experiment", "trial", "level", "weights kept", "early stop", "test accuracy", "at end")


def results_html(title: str, results: Iterable[RunResult]) -> str:
    """A title, and a table with one row for each trial, experiment and level."""
    rows = [
        (result.experiment, f"{result.trial}", *_cells(level))
        for result in results
        for level in result.levels
    ]
    heading = f"<p>{escape(title)}</p>"
    return heading + table_html(_COLUMNS, rows) if rows else heading


def table_html(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in HTML. All texts are escaped."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(level: LevelResult) -> tuple[str, ...]:
    stop = level.early_stop
    return (
        "dense" if level.level == 0 else f"{level.level}",
        f"{level.density:.2%}",
        f"{stop.iteration:,}",
        f"{stop.test.accuracy:.2%}",
        f"{level.final.test.accuracy:.2%}",
    )
