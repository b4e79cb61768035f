"""The looks that all plots share: colours, percentages, panels.

Everything is set on the objects themselves, never in matplotlib's global settings, so that a plot
looks the same in a worker, in a thread and beside a notebook's own style.

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
"""Okabe & Ito without black and yellow, which the dense network and white paper take; a violet
that is as far from the others as those are makes seven."""

COLOURS = len(_OKABE_ITO)
"""So many experiments differ in colour; more of them differ in line as well."""

SERIES = [(colour, line) for line, colour in product(("-", (0, (4, 1.5)), (0, (1, 1))), _OKABE_ITO)]
"""Colour and line of the experiments that one plot can tell apart, in order of their use."""

Rgba = tuple[float, float, float, float]


def _part(name: str, low: float, high: float) -> Colormap:
    """The part of a colour map between two of its places, so that no end of it fades into white."""
    whole = colormaps[name]
    colours = [whole(low + (high - low) * place / 255) for place in range(256)]
    return LinearSegmentedColormap.from_list(f"{name}-{low}-{high}", colours)


LEVELS = _part("viridis_r", 0.12, 1.0)
"""From the sparsest level (light) to the dense network (dark)."""
AMOUNT = _part("YlGnBu", 0.12, 1.0)
"""From few (light) to many (dark)."""


COUNT = "{x:,.0f}"
"""How an axis writes whole numbers."""


def percent(share: float, digits: int = 3) -> str:
    """A share as a person reads it, and never 100 % of what is not all.

    >>> percent(0.2107), percent(1.0), percent(0.9999), percent(0.2107, digits=2)
    ('21.1 %', '100 %', '99.99 %', '21 %')
    """
    value = 100 * share
    while value < 100 <= float(f"{value:.{digits}g}"):
        digits += 1
    return f"{float(f'{value:.{digits}g}'):.12g} %"


class PerCent(Formatter):
    """Writes the ticks of an axis in per cent, all with the decimals that the finest needs."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return percent(x, digits=6)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        shares = 100 * np.asarray(values)
        exact = (n for n in range(6) if np.allclose(shares, shares.round(n), rtol=0, atol=1e-7))
        decimals = next(exact, 6)
        return [f"{share:.{decimals}f} %" for share in shares]


def density_axis(axes: Axes, densities: Sequence[float], most: int) -> None:
    """A logarithmic axis on which density falls to the right, marked at some that are there."""
    axes.set_xscale("log")
    shown = positive(densities)
    axes.set_xlim(max(shown) * 1.12, min(shown) / 1.12)
    density_ticks(axes.xaxis, densities, most)


def density_ticks(axis: Axis, densities: Iterable[float], most: int) -> None:
    """Mark a logarithmic axis at some of the densities that are there; its label says per cent."""
    axis.set_major_locator(FixedLocator(spaced(densities, most)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda density, _: percent(density).removesuffix(" %"))


def level_colours(densities: Sequence[float]) -> list[Rgba]:
    """One colour for each level, by its density, on a logarithmic scale."""
    scale = level_scale(densities)
    return [LEVELS(float(scale(max(density, scale.vmin or 0)))) for density in densities]


def level_scale(densities: Sequence[float]) -> LogNorm:
    """Density on a logarithmic scale from the sparsest level, 50 % at most, to the dense one."""
    return LogNorm(min([0.5, *positive(densities)]), 1.0)


def positive(densities: Iterable[float]) -> list[float]:
    """The densities that a logarithmic scale can show; a network without weights has none."""
    return [density for density in densities if density > 0]


def spaced(densities: Iterable[float], most: int) -> list[float]:
    """About `most` of the densities, both ends among them, far enough apart on a log axis."""
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
    """Give a panel its title and labels, quiet spines and a quiet grid behind the data."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=9.5, color=INK)
    axes.set_ylabel(y, fontsize=9.5, color=INK)
    axes.tick_params(which="both", labelsize=9, labelcolor=INK, color=MUTED, length=3)
    axes.set_facecolor("white")
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), edgecolor=MUTED, linewidth=0.8)


def grid(axes: Axes) -> None:
    """Quiet lines behind the data."""
    axes.grid(visible=True, color=GRID, linewidth=0.8, linestyle="-")
    axes.set_axisbelow(True)


def fit(axes: Axes, values: NDArray[np.floating], most: float = np.inf) -> None:
    """Fit the vertical axis to `values`, with a margin, within 0 and `most`.

    Values that are not finite have no place in a picture; they do not count.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return
    low, high = float(finite.min()), float(finite.max())
    margin = 0.06 * (high - low) or 0.05 * max(abs(high), 0.1)
    axes.set_ylim(max(0.0, low - margin), max(min(most, high + margin), high + 0.2 * margin))


def dress_bar(bar: Colorbar, label: str) -> None:
    """Give a colour bar its label and quiet ticks."""
    bar.set_label(label, fontsize=9.5, color=INK)
    bar.ax.tick_params(which="both", labelsize=9, labelcolor=INK, color=MUTED, length=3)
    bar.outline.set_visible(False)


def wrapped(name: str, width: int = 24) -> str:
    """A long name in several lines, broken after its own marks.

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
    """The legend of a panel, to the right of it, outside the data."""
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
