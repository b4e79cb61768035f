"""The style of all plots: colors, percentages, panels.

All settings are made on the objects, not in matplotlib's global settings, so a plot looks the same
in a worker, in a thread and in a notebook.

Reference: Okabe & Ito 2008, "Color universal design", for the palette of the experiments.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm
from matplotlib.ticker import FixedLocator, Formatter, NullLocator
from numpy.typing import NDArray

INK, MUTED, GRID = "#1a1a1a", "#5c5c5c", "#e4e4e4"

_OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195")
"""Okabe & Ito's colors without black (the dense network) and yellow (too light on white), and with
a violet."""

COLOURS = len(_OKABE_ITO)
"""Experiments up to this number differ in color; further ones also differ in line style."""

SERIES = [(colour, line) for line, colour in product(("-", (0, (4, 1.5)), (0, (1, 1))), _OKABE_ITO)]
"""Colors and line styles of the experiments in one plot, in order of use."""

Rgba = tuple[float, float, float, float]


def _part(name: str, low: float, high: float) -> Colormap:
    """The part of a color map between two positions, without its lightest or darkest colors."""
    whole = colormaps[name]
    colours = [whole(low + (high - low) * place / 255) for place in range(256)]
    return LinearSegmentedColormap.from_list(f"{name}-{low}-{high}", colours)


LEVELS = _part("viridis_r", 0.12, 1.0)
"""From the sparsest level (light) to the dense network (dark)."""
AMOUNT = _part("YlGnBu", 0.12, 1.0)
"""From few (light) to many (dark)."""


COUNT = "{x:,.0f}"
"""The format of integers on an axis."""


def percent(share: float, digits: int = 3) -> str:
    """A share as a percentage; a share below 1 is never shown as 100 %.

    >>> percent(0.2107), percent(1.0), percent(0.9999), percent(0.2107, digits=2)
    ('21.1 %', '100 %', '99.99 %', '21 %')
    """
    value = 100 * share
    while value < 100 <= float(f"{value:.{digits}g}"):
        digits += 1
    return f"{float(f'{value:.{digits}g}'):.12g} %"


class PerCent(Formatter):
    """Formats the ticks of an axis in percent, all with the same number of decimals."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return percent(x, digits=6)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        shares = 100 * np.asarray(values)
        exact = (n for n in range(6) if np.allclose(shares, shares.round(n), rtol=0, atol=1e-7))
        decimals = next(exact, 6)
        return [f"{share:.{decimals}f} %" for share in shares]


def density_axis(axes: Axes, densities: Sequence[float], most: int) -> None:
    """A logarithmic axis on which density falls to the right, with ticks at existing densities."""
    axes.set_xscale("log")
    shown = positive(densities)
    axes.set_xlim(max(shown) * 1.12, min(shown) / 1.12)
    density_ticks(axes.xaxis, densities, most)


def density_ticks(axis: Axis, densities: Iterable[float], most: int) -> None:
    """Put ticks of a logarithmic axis at some of the densities."""
    axis.set_major_locator(FixedLocator(spaced(densities, most)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda density, _: percent(density).removesuffix(" %"))


def level_colours(densities: Sequence[float]) -> list[Rgba]:
    """One color for each level, by its density, on a logarithmic scale."""
    scale = level_scale(densities)
    return [LEVELS(float(scale(max(density, scale.vmin or 0)))) for density in densities]


def level_scale(densities: Sequence[float]) -> LogNorm:
    """A logarithmic scale from the sparsest level, at most 50 %, to the dense network."""
    return LogNorm(min([0.5, *positive(densities)]), 1.0)


def positive(densities: Iterable[float]) -> list[float]:
    """The densities that a logarithmic scale can show, that is, those above zero."""
    return [density for density in densities if density > 0]


def spaced(densities: Iterable[float], most: int) -> list[float]:
    """About `most` of the densities, with both ends, at a sufficient distance on a log axis."""
    falling = sorted(set(positive(densities)), reverse=True)
    if len(falling) < 2:
        return falling
    first, *between, last = falling
    step = (first / last) ** (1 / most) * 0.999
    chosen = [first]
    for density in between:
        if min(chosen[-1] / density, density / last) >= step:
            chosen.append(density)
    return [*chosen, last]


def dress(axes: Axes, title: str, x: str, y: str) -> None:
    """Set the title and the labels of a panel, and light spines and grid lines."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=9.5, color=INK)
    axes.set_ylabel(y, fontsize=9.5, color=INK)
    axes.tick_params(which="both", labelsize=9, labelcolor=INK, color=MUTED, length=3)
    axes.set_facecolor("white")
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), edgecolor=MUTED, linewidth=0.8)


def grid(axes: Axes) -> None:
    """Light grid lines behind the data."""
    axes.grid(visible=True, color=GRID, linewidth=0.8, linestyle="-")
    axes.set_axisbelow(True)


def fit(axes: Axes, values: NDArray[np.floating], most: float = np.inf) -> None:
    """Scale the vertical axis to `values` with a margin, between 0 and `most`.

    Values that are not finite are ignored.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return
    low, high = float(finite.min()), float(finite.max())
    margin = 0.06 * (high - low) or 0.05 * max(abs(high), 0.1)
    axes.set_ylim(max(0.0, low - margin), max(min(most, high + margin), high + 0.2 * margin))


def dress_bar(bar: Colorbar, label: str) -> None:
    """Set the label and light ticks of a color bar."""
    bar.set_label(label, fontsize=9.5, color=INK)
    bar.ax.tick_params(which="both", labelsize=9, labelcolor=INK, color=MUTED, length=3)
    bar.outline.set_visible(False)


def wrapped(name: str, width: int = 24) -> str:
    """A long name in several lines, broken after punctuation.

    >>> print(wrapped("large_init_large_final.reshuffle"))
    large_init_large_final.
    reshuffle
    """
    lines = [""]
    for part in re.findall(r"[^._-]+[._-]?|[._-]", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def legend_beside(axes: Axes, title: str = "") -> None:
    """A legend to the right of a panel."""
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        title=title or None,
        title_fontproperties={"size": 9},
        alignment="left",
        handlelength=3,
    )
