"""A figure of its own, and its bytes.

No pyplot: a plot belongs to no window and to no global list of figures, so that plots can be made
in threads and in a worker, and are gone when nobody holds them.
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
"""Inches: at 100 dots an inch the width of a README, whose letters are then those of the text."""
PANEL_HEIGHT = 3.5
"""Inches, of panels that stand side by side."""
_DOTS_PER_INCH = 160
_HEADER, _LINE = 0.62, 0.17
"""Inches, of the header with one line under the headline, and of each further line."""
_MARGIN = 0.12
_SAID = 9.5

_DRAWING = Lock()
"""matplotlib draws one figure at a time: its fonts and its settings are shared."""
_SETTINGS: Any = {
    "svg.hashsalt": "lth",
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
}


class Plot(Figure):
    """A figure that a notebook shows by itself, whether or not it has imported pyplot."""

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
    """An empty figure with a headline, what was run under it, and room for the panels.

    Args:
        headline: what the plot shows.
        said: what was run and what else is to be said, in parts; empty parts are left out. It
            takes as many lines as it needs.
        height: of the panels, without the header, in inches.
        width: in inches.
        compress: close the gaps between panels of a fixed shape.
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
    """Parts with a dot between them, in lines of at most `width` inches; a dot ends a line."""
    lines: list[str] = []
    for word in " · ".join(filter(None, said)).replace(" ·", "\N{NO-BREAK SPACE}·").split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _inches(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines if line]


def _inches(text: str) -> float:
    """How wide a line of the subtitle is; 72 points are an inch."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(size=_SAID), ismath=False
    )
    return width / 72


def render(figure: Figure, format: Format) -> bytes:  # noqa: A002 - matplotlib's own word
    """The bytes of a figure's picture: always the same for the same figure.

    Args:
        figure: any figure of this package.
        format: "png" (160 dots an inch) or "svg" (letters as outlines).
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
    """Lay a figure out once and for all its pictures, to the ten-thousandth of its size.

    Laying out again would start from where the last one ended, and the solver of the layout
    orders its variables by their addresses in memory, so that its last digits differ by run.
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
    """Draw one figure at a time, under the settings that only matplotlib's global ones offer.

    SVG's names of parts follow from what they name, and not from chance; a figure without a layout
    engine is not given one.
    """
    with _DRAWING, matplotlib.rc_context(_SETTINGS):
        yield
