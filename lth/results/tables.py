"""Rows of text as tables of plain text."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows of cells as lines, with the first column to the left, others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths).rstrip() for row in rows]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *others = zip(cells, widths, strict=True)
    return "  ".join([name[0].ljust(name[1]), *(cell.rjust(width) for cell, width in others)])
