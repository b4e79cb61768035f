"""A figure of its own, and its bytes.

No pyplot: a plot belongs to no window and to no global list of figures, so that plots can be made
in threads and in a worker, and are gone when nobody holds them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import Lock
from typing import Literal, get_args

import matplotlib
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox

from lth.plots.style import INK, MUTED

Format = Literal["png", "svg"]

WIDTH = 9.0
"""Inches: at 100 dots an inch the width of a README, whose letters are then those of the text."""
PANEL_HEIGHT = 3.5
"""Inches, of panels that stand side by side."""
_DOTS_PER_INCH = 160
_HEADER = 0.62

_SALTED = Lock()


class Plot(Figure):
    """A figure that a notebook shows by itself, whether or not it has imported pyplot."""

    def _repr_png_(self) -> bytes:
        return render(self, "png")


def new_plot(
    headline: str, subtitle: str, height: float, width: float = WIDTH, *, compress: bool = False
) -> Plot:
    """An empty figure with a headline, what was run under it, and room for the panels.

    Args:
        headline: what the plot shows.
        subtitle: what was run; may be empty.
        height: of the panels, without the header, in inches.
        width: in inches.
        compress: close the gaps between panels of a fixed shape.
    """
    header = _HEADER if subtitle else _HEADER - 0.2
    whole = height + header
    engine = ConstrainedLayoutEngine(
        rect=(0.01, 0.01, 0.98, height / whole - 0.02),
        w_pad=0.06,
        h_pad=0.05,
        wspace=0.04,
        compress=compress,
    )
    plot = Plot(figsize=(width, whole), dpi=_DOTS_PER_INCH, facecolor="white", layout=engine)
    left = 0.12 / width
    plot.text(left, 1 - 0.12 / whole, headline, va="top", size=12.5, weight="bold", color=INK)
    if subtitle:
        plot.text(left, 1 - 0.37 / whole, subtitle, va="top", size=9.5, color=MUTED)
    return plot


def render(figure: Figure, format: Format) -> bytes:  # noqa: A002 - matplotlib's own word
    """The bytes of a figure's picture: always the same for the same figure.

    Args:
        figure: any figure of this package.
        format: "png" (160 dots an inch) or "svg" (letters as outlines).
    """
    if format not in get_args(Format):
        raise ValueError(f"a plot is rendered as 'png' or 'svg', not as {format!r}")
    nothing_of_the_day = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    content = BytesIO()
    with _fixed_ids():
        _settle(figure)
        figure.savefig(content, format=format, metadata=nothing_of_the_day[format])
    return content.getvalue()


def _settle(figure: Figure) -> None:
    """Lay a figure out once and for all, to the ten-thousandth of its size.

    Laying out again would start from where the last one ended, and the solver of the layout
    orders its variables by their addresses in memory, so that its last digits differ by run.
    """
    if not isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        return
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(Bbox(axes.get_position(original=True).get_points().round(4)))


@contextmanager
def _fixed_ids() -> Iterator[None]:
    """SVG names its parts at random unless a global setting says otherwise; set it for a moment."""
    with _SALTED:
        before = matplotlib.rcParams["svg.hashsalt"]
        matplotlib.rcParams["svg.hashsalt"] = "lth"
        try:
            yield
        finally:
            matplotlib.rcParams["svg.hashsalt"] = before
