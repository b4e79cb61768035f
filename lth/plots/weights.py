"""What training did to the weights: initial against final value, layer by layer."""

from collections.abc import Mapping
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lth.errors import SpecError
from lth.plots.canvas import WIDTH, new_plot
from lth.plots.style import AMOUNT, COUNT, MUTED, dress, dress_bar, percent

_BINS = 96
_FEW = 800
"""Up to so many weights are drawn as points, more of them as a density of cells."""
_PANEL = 2.9

Kernel = NDArray[np.floating]
Mask = NDArray[np.bool_]


def weights_scatter(
    initial: Mapping[str, Kernel],
    final: Mapping[str, Kernel],
    masks: Mapping[str, Mask] | None = None,
    title: str = "",
) -> Figure:
    """Initial against final weights of each layer, without the pruned ones.

    Weights on the diagonal did not change; those nearer to the horizontal zero line shrank.

    Args:
        initial: kernels that training started from, by layer.
        final: kernels after it, of the same shapes.
        masks: of the same shapes, True = kept; None when nothing is pruned. Only these are read,
            so a kept weight that happens to be zero is drawn.
        title: what was run.

    Raises:
        SpecError: when no layer is given, or the three differ in their layers or shapes.
    """
    kept = _kept(initial, final, masks)
    columns = min(len(kept), 3 if len(kept) < 10 else 4)
    rows = ceil(len(kept) / columns)
    width = min(WIDTH, _PANEL * columns + 1.2)
    height = rows * (width - 1.0) / columns * 1.04
    plot = new_plot("Weights before and after training", (title,), height, width, compress=True)
    panels = plot.subplots(rows, columns, squeeze=False).ravel()
    cells = {name: _cells(*pair) for name, pair in kept.items()}
    scale = LogNorm(1, max(2, *(counted.max() for counted, _ in cells.values())))
    for number, (axes, (name, pair)) in enumerate(zip(panels, kept.items(), strict=False)):
        share = f"{percent(pair[0].size / initial[name].size)} of {initial[name].size:,} kept"
        x = "initial weight" if number + columns >= len(kept) else ""
        dress(axes, f"{name}\n{share}", x, "trained weight" if number % columns == 0 else "")
        _frame(axes, cells[name][1], ticks=4 if columns < 4 else 2)
        if pair[0].size <= _FEW:
            _points(axes, *pair)
        else:
            _density(axes, *cells[name], scale)
    for axes in panels[len(kept) :]:
        axes.set_visible(False)
    if any(before.size > _FEW for before, _ in kept.values()):
        bar = plot.colorbar(ScalarMappable(scale, AMOUNT), ax=list(panels), pad=0.02, aspect=30)
        bar.ax.yaxis.set_major_formatter(COUNT)
        dress_bar(bar, "weights in a cell")
    return plot


def _points(axes: Axes, before: Kernel, after: Kernel) -> None:
    look = {"s": 6, "color": AMOUNT(0.75), "alpha": 0.5, "linewidths": 0}
    axes.scatter(before, after, rasterized=True, **look)


def _density(axes: Axes, counted: NDArray[np.int64], limit: float, scale: LogNorm) -> None:
    shown = np.ma.masked_equal(counted.T, 0)
    square = (-limit, limit, -limit, limit)
    axes.imshow(shown, AMOUNT, scale, extent=square, origin="lower", zorder=2)


def _kept(
    initial: Mapping[str, Kernel], final: Mapping[str, Kernel], masks: Mapping[str, Mask] | None
) -> dict[str, tuple[Kernel, Kernel]]:
    """Initial and final values of the kept weights, by layer."""
    if not initial:
        raise SpecError("there is nothing to plot: no layer was given, at least one is needed")
    kept = {}
    for name, before in initial.items():
        given = {"final": final, "masks": masks} if masks is not None else {"final": final}
        for what, arrays in given.items():
            if name not in arrays:
                raise SpecError(f"'{what}' lacks the layer '{name}'; it has {sorted(arrays)}")
            if arrays[name].shape != before.shape:
                raise SpecError(
                    f"'{name}' has the shape {list(before.shape)} in 'initial', but "
                    f"{list(arrays[name].shape)} in '{what}'"
                )
        after = final[name]
        mask = slice(None) if masks is None else masks[name].ravel()
        kept[name] = (before.ravel()[mask], after.ravel()[mask])
    return kept


def _cells(before: Kernel, after: Kernel) -> tuple[NDArray[np.int64], float]:
    """How many weights fall into each cell [initial, final] of a square, and its half side."""
    limit = 1.04 * max(np.abs(before).max(initial=0), np.abs(after).max(initial=0)) or 1.0
    x, y = (
        ((values + limit) * (_BINS / (2 * limit))).astype(np.int32) for values in (before, after)
    )
    counted = np.bincount(x * _BINS + y, minlength=_BINS * _BINS)
    return counted.reshape(_BINS, _BINS), float(limit)


def _frame(axes: Axes, limit: float, ticks: int) -> None:
    """A square around zero with its axes and the diagonal of what did not change."""
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.axhline(0, color=MUTED, linewidth=0.6, zorder=1)
    axes.axvline(0, color=MUTED, linewidth=0.6, zorder=1)
    axes.axline((0, 0), slope=1, color="#D55E00", linewidth=1, linestyle=(0, (5, 3)), zorder=3)
    axes.xaxis.set_major_locator(MaxNLocator(ticks, symmetric=True))
    axes.yaxis.set_major_locator(MaxNLocator(ticks, symmetric=True))
