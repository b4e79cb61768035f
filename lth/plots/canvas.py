"""Figures and their bytes.

Figures do not use pyplot, so they belong to no window and to no global list. They can be drawn in
threads and workers, and are freed like other objects.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from threading import Lock
from typing import Any, get_args

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox

from lth.core.errors import SpecError
from lth.plots.style import INK, MUTED
from lth.results.artifacts import Format

WIDTH = 9.0
"""Width in inches; at 100 dots per inch, figures and their text have the size of a README."""
PANEL_HEIGHT = 3.5
"""Width in inches of panels side by side."""
_DOTS_PER_INCH = 160
_HEADER, _LINE = 0.62, 0.17
"""Height in inches of a header with one line below the headline, and of each further line."""
_MARGIN = 0.12
_SAID = 9.5

_DRAWING = Lock()
"""A lock: matplotlib's fonts and settings are shared, so figures are drawn one at a time."""
_SETTINGS: Any = {
    "svg.hashsalt": "lth",
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
}


class Plot(Figure):
    """A figure that a notebook displays, with or without pyplot."""

    def _repr_png_(self) -> bytes:
        return render(self, "png")


def new_plot(
    headline: str,
    said: Sequence[str],
    height: float,
    width: float = WIDTH,
    *,
    compress: bool = False,
) -> Plot:
    """An empty figure with a headline, a subtitle, and room for the panels.

    Args:
        headline: what the plot shows.
        said: parts of the subtitle, such as what was run; empty parts are left out. It uses as many
            lines as it needs.
        height: height of the panels in inches, without the header.
        width: width in inches.
        compress: whether to close gaps between panels with a fixed shape.
    """
    lines = _lines(said, width - 2 * _MARGIN)
    header = _HEADER + _LINE * (len(lines) - 1)
    whole = height + header
    below = (0.01, 0.01, 0.98, height / whole - 0.02)
    engine = ConstrainedLayoutEngine(
        rect=below, w_pad=0.06, h_pad=0.05, wspace=0.06, compress=compress
    )
    plot = Plot(figsize=(width, whole), dpi=_DOTS_PER_INCH, facecolor="white", layout=engine)
    left = _MARGIN / width
    plot.text(left, 1 - 0.12 / whole, headline, va="top", size=12.5, weight="bold", color=INK)
    plot.text(left, 1 - 0.37 / whole, "\n".join(lines), va="top", size=_SAID, color=MUTED)
    return plot


def _lines(said: Sequence[str], width: float) -> list[str]:
    """The parts in lines of at most `width` inches, separated by dots."""
    lines: list[str] = []
    for word in " · ".join(filter(None, said)).replace(" ·", "\N{NO-BREAK SPACE}·").split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _inches(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines if line]


def _inches(text: str) -> float:
    """The width of a line of the subtitle in inches."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(size=_SAID), ismath=False
    )
    return width / 72


def render(figure: Figure, format: Format) -> bytes:  # noqa: A002 - matplotlib's own word
    """The bytes of a figure; always the same for the same figure.

    Args:
        figure: a figure of this package.
        format: "png" (160 dots per inch) or "svg" (letters as outlines).
    """
    if format not in get_args(Format):
        raise SpecError(f"a plot is rendered as 'png' or 'svg', not as {format!r}")
    nothing_of_the_day = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    content = BytesIO()
    with _drawing_alone():
        _settle(figure)
        figure.savefig(content, format=format, metadata=nothing_of_the_day[format])
    return content.getvalue()


def _settle(figure: Figure) -> None:
    """Lay out a figure once for all formats, rounded to a ten-thousandth of its size.

    A second layout would start from the first one. The solver orders its variables by memory
    address, so its last digits differ between runs.
    """
    engine = figure.get_layout_engine()
    if not isinstance(engine, ConstrainedLayoutEngine):
        return
    engine.execute(figure)
    # Without an engine the figure is drawn once: with one, it is drawn again before each picture.
    figure.set_layout_engine(None)
    for axes in figure.axes:
        axes.set_position(Bbox(axes.get_position(original=True).get_points().round(4)))


@contextmanager
def _drawing_alone() -> Iterator[None]:
    """Draw one figure at a time, with settings that matplotlib has only globally.

    Identifiers in SVG files derive from their content instead of random numbers.
    """
    with _DRAWING, matplotlib.rc_context(_SETTINGS):
        yield
