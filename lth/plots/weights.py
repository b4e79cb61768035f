"""Initial against trained weights, layer by layer."""

from collections.abc import Mapping
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lth.core.errors import SpecError
from lth.plots.canvas import WIDTH, new_plot
from lth.plots.style import AMOUNT, COUNT, MUTED, dress, dress_bar, percent

_BINS = 96
_FEW = 2_000
"""Up to this many weights are drawn as points; more are drawn as a density of cells."""
_PANEL = 2.9
_BROKEN = "broken line: unchanged"

Kernel = NDArray[np.floating]
Mask = NDArray[np.bool_]


def weights_scatter(
    initial: Mapping[str, Kernel],
    final: Mapping[str, Kernel],
    masks: Mapping[str, Mask] | None = None,
    title: str = "",
) -> Figure:
    """Plot initial against trained weights of each layer, without pruned weights.

    Weights on the dashed line did not change. Weights between it and the horizontal zero line
    shrank. Both axes have their own scale, because trained weights can be much larger.

    Args:
        initial: initial kernels by layer name.
        final: trained kernels by layer name, in the same shapes.
        masks: bool in the same shapes, True = kept; None if nothing is pruned. A kept weight that
            is zero is drawn.
        title: what was run.

    Raises:
        SpecError: if no layer is given, or the three differ in layers or shapes.
    """
    kept = _kept(initial, final, masks)
    columns = min(len(kept), 3 if len(kept) < 10 else 4)
    rows = ceil(len(kept) / columns)
    width = min(WIDTH, _PANEL * columns + 1.2)
    height = rows * (width - 1.0) / columns * 1.04
    plot = new_plot(
        "Weights before and after training", (title, _BROKEN), height, width, compress=True
    )
    panels = plot.subplots(rows, columns, squeeze=False).ravel()
    many = [pair for pair in kept.values() if pair[0].size > _FEW]
    scale = LogNorm(1, max([2, *(_cells(*pair).max() for pair in many)]))
    for number, (axes, (name, pair)) in enumerate(zip(panels, kept.items(), strict=False)):
        share = f"{percent(pair[0].size / initial[name].size)} of {initial[name].size:,} kept"
        x = "initial weight" if number + columns >= len(kept) else ""
        dress(axes, f"{name}\n{share}", x, "trained weight" if number % columns == 0 else "")
        _frame(axes, *pair, ticks=4 if columns < 4 else 2)
        if pair[0].size <= _FEW:
            _points(axes, *pair)
        else:
            _density(axes, *pair, scale)
    for axes in panels[len(kept) :]:
        axes.set_visible(False)
    if many:
        bar = plot.colorbar(ScalarMappable(scale, AMOUNT), ax=list(panels), pad=0.02, aspect=30)
        bar.ax.yaxis.set_major_formatter(COUNT)
        dress_bar(bar, "weights in a cell")
    return plot


def _points(axes: Axes, before: Kernel, after: Kernel) -> None:
    alpha = float(np.clip(400 / max(before.size, 1), 0.25, 0.6))
    look = {"s": 6, "color": AMOUNT(0.75), "alpha": alpha, "linewidths": 0}
    axes.scatter(before, after, rasterized=True, **look)


def _density(axes: Axes, before: Kernel, after: Kernel, scale: LogNorm) -> None:
    shown = np.ma.masked_equal(_cells(before, after).T, 0)
    (x, y) = _reach(before), _reach(after)
    axes.imshow(
        shown, AMOUNT, scale, extent=(-x, x, -y, y), origin="lower", aspect="auto", zorder=2
    )


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


def _cells(before: Kernel, after: Kernel) -> NDArray[np.int64]:
    """The number of weights in each cell [initial, final] of the panel."""
    x, y = (
        ((values + _reach(values)) * (_BINS / (2 * _reach(values)))).astype(np.int32)
        for values in (before, after)
    )
    return np.bincount(x * _BINS + y, minlength=_BINS * _BINS).reshape(_BINS, _BINS)


def _reach(values: Kernel) -> float:
    """The range of an axis on either side of zero that includes all values."""
    return 1.04 * float(np.abs(values).max(initial=0)) or 1.0


def _frame(axes: Axes, before: Kernel, after: Kernel, ticks: int) -> None:
    """Format a square panel around zero with its axes and the line of unchanged weights."""
    x, y = _reach(before), _reach(after)
    axes.set(xlim=(-x, x), ylim=(-y, y), box_aspect=1)
    axes.axhline(0, color=MUTED, linewidth=0.6, zorder=1)
    axes.axvline(0, color=MUTED, linewidth=0.6, zorder=1)
    axes.axline((0, 0), slope=1, color="#D55E00", linewidth=1, linestyle=(0, (5, 3)), zorder=3)
    axes.xaxis.set_major_locator(MaxNLocator(ticks, symmetric=True))
    axes.yaxis.set_major_locator(MaxNLocator(ticks, symmetric=True))
