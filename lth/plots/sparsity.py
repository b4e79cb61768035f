"""The density of each layer, level by level."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lth.plots.canvas import new_plot
from lth.plots.style import AMOUNT, INK, density_ticks, dress, dress_bar, percent, positive
from lth.results.schemas import RunResult

_ROW = 0.36
_WRITTEN = 24
"""With more levels than these, cells are too small for numbers."""


def sparsity_by_layer(result: RunResult, title: str = "") -> Figure:
    """Plot the density of every layer at every level as a table of shaded cells.

    Args:
        result: one run.
        title: what was run.
    """
    levels = result.levels
    names = [f"{layer.name}  ({layer.total:,})" for layer in levels[0].layers]
    total = sum(layer.total for layer in levels[0].layers)
    names.append(f"all  ({total:,})")
    densities = np.array(
        [[*(layer.density for layer in level.layers), level.density] for level in levels]
    ).T
    trial = f"'{result.experiment}', trial {result.trial}"
    plot = new_plot("Weights kept in each layer", (title, trial), _ROW * len(names) + 0.75)
    axes = plot.subplots()
    least = min([0.01, *positive(densities.ravel())])
    scale = LogNorm(least, 1.0)
    rows, columns = (np.arange(count + 1) - 0.5 for count in densities.shape)
    shades = np.maximum(densities, least)
    axes.pcolormesh(columns, rows, shades, cmap=AMOUNT, norm=scale, edgecolors="white", lw=0.8)
    axes.axhline(len(names) - 1.5, color="white", linewidth=4)
    axes.invert_yaxis()
    written = len(levels) <= _WRITTEN
    numbers = ", in per cent" if written else ""
    dress(axes, f"weights kept{numbers}", "level (pruning rounds done)", "")
    axes.xaxis.set_major_locator(MaxNLocator(_WRITTEN, integer=True))
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if written:
        _write(axes, densities, scale)
    else:
        bar = plot.colorbar(ScalarMappable(scale, AMOUNT), ax=axes, pad=0.02)
        density_ticks(bar.ax.yaxis, densities[-1], 5)
        dress_bar(bar, "weights kept (%)")
    return plot


def _write(axes: Axes, densities: NDArray[np.float64], scale: LogNorm) -> None:
    """Write the number into each cell, dark on light or light on dark."""
    levels = densities.shape[1]
    size, digits = (9, 3) if levels <= 12 else (8, 3) if levels <= 16 else (7.5, 2)
    for (row, column), share in np.ndenumerate(densities):
        ink = INK if scale(max(share, scale.vmin or 0)) < 0.5 else "white"
        text = percent(float(share), digits).removesuffix(" %")
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)
