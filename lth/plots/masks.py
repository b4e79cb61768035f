"""A picture of one layer's mask."""

from collections.abc import Sequence
from math import ceil, prod, sqrt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lth.core.errors import SpecError
from lth.plots.canvas import Plot, new_plot
from lth.plots.style import AMOUNT, COUNT, dress, dress_bar, grid, percent

_HEIGHT = 3.9
_MOST_KERNELS = 256
_DISTINCT = 8
"""Up to this count, each number has a color of its own."""
_NONE = "#ececea"
_KEPT = LinearSegmentedColormap.from_list("kept", ["#f3f3f0", "#0B4A7F"])

Mask = NDArray[np.bool_]


def mask_picture(
    mask: Mask, *, input_shape: Sequence[int] = (), layer: str = "", title: str = ""
) -> Figure:
    """Plot the mask of a layer, arranged like the input of the layer.

    For a dense layer on images: the number of kept weights of each pixel, as an image. For a dense
    layer
    on features: the same as a curve. For a convolution: the kept weights at each position of each
    kernel, summed over input channels. Next to it, the plot shows the whole mask as a matrix.

    Args:
        mask: bool [inputs, units] or [height, width, channels, filters]; True = kept.
        input_shape: shape of a sample, (height, width, channels), if the inputs of the layer are
            pixels; other shapes mean features.
        layer: name of the layer.
        title: what was run.

    Raises:
        SpecError: if the mask has neither two nor four dimensions.
    """
    if mask.ndim not in (2, 4):
        raise SpecError(
            "a mask is drawn for dense layers [inputs, units] and convolutions [height, width, "
            f"channels, filters]; this one has the shape {list(mask.shape)}"
        )
    kept = f"{np.count_nonzero(mask):,} of {mask.size:,} weights kept ({percent(mask.mean())})"
    headline = f"Mask of {layer}" if layer else "Mask"
    plot = new_plot(headline, (title, kept), _HEIGHT)
    picture, matrix = plot.subplots(1, 2, width_ratios=(1.15, 1))
    if mask.ndim == 4:
        _kernels(plot, picture, mask)
        rows = "kernel place and input channel"
        columns = "filter"
    elif len(input_shape) == 3 and prod(input_shape) == len(mask):
        _pixels(plot, picture, mask, input_shape)
        rows, columns = "input pixel", "unit"
    else:
        _features(picture, mask)
        rows, columns = "input feature", "unit"
    _matrix(matrix, mask.reshape(-1, mask.shape[-1]), rows, columns)
    return plot


def _pixels(plot: Plot, axes: Axes, mask: Mask, shape: Sequence[int]) -> None:
    height, width, channels = shape
    counts = mask.sum(axis=1).reshape(height, width, channels).sum(axis=2)
    each = f"of {channels * mask.shape[1]:,}"
    _image(plot, axes, np.ma.asarray(counts), f"weights kept by a pixel ({each})")
    dress(axes, "kept weights of each input pixel", "column (pixels)", "row (pixels)")


def _kernels(plot: Plot, axes: Axes, mask: Mask) -> None:
    height, width, channels, filters = mask.shape
    shown = min(filters, _MOST_KERNELS)
    counts = mask[..., :shown].sum(axis=2)
    columns = ceil(sqrt(shown))
    rows = ceil(shown / columns)
    # One empty pixel between kernels, masked so that it stays white.
    picture = np.ma.array(np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1)), mask=True)
    for number in range(shown):
        row, column = divmod(number, columns)
        top, left = row * (height + 1), column * (width + 1)
        picture[top : top + height, left : left + width] = counts[..., number]
    _image(plot, axes, picture, f"weights kept at a place (of {channels:,})")
    which = f"first {shown} of {filters}" if shown < filters else f"{filters}"
    dress(axes, f"kept weights of the {which} kernels, {height} by {width}", "", "")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _image(plot: Plot, axes: Axes, counts: np.ma.MaskedArray, label: str) -> None:
    colours = AMOUNT.with_extremes(under=_NONE)
    most = max(int(counts.max()), 1)
    few = most <= _DISTINCT
    scale = BoundaryNorm(np.arange(most + 1) + 0.5, colours.N) if few else Normalize(0.5, most)
    drawn = axes.imshow(counts, colours, scale, interpolation="nearest")
    _whole_numbers(axes.xaxis, axes.yaxis)
    bar = plot.colorbar(drawn, ax=axes, pad=0.03, shrink=0.9, extend="min")
    if few:
        bar.set_ticks(range(1, most + 1))
        bar.ax.minorticks_off()
        bar.ax.yaxis.set_major_formatter(COUNT)
    else:
        _whole_numbers(bar.ax.yaxis)
    dress_bar(bar, f"{label}; grey: none")


def _features(axes: Axes, mask: Mask) -> None:
    inputs, units = mask.shape
    edges = np.arange(inputs + 1) - 0.5
    axes.stairs(mask.sum(axis=1), edges, fill=True, color=AMOUNT(0.7), rasterized=True)
    title = "kept weights of each input feature"
    dress(axes, title, "input feature", f"weights kept (of {units:,})")
    grid(axes)
    axes.set(xlim=(-0.5, inputs - 0.5), ylim=(0, units * 1.02))
    _whole_numbers(axes.xaxis, axes.yaxis)


def _matrix(axes: Axes, matrix: Mask, rows: str, columns: str) -> None:
    """Draw the whole mask; if it has more entries than the picture has dots, as shades."""
    axes.imshow(
        matrix.astype(np.float32),
        _KEPT,
        Normalize(0, 1),
        aspect="auto",
        interpolation="auto",
        interpolation_stage="data",
    )
    dress(axes, "mask (dark = kept)", columns, rows)
    _whole_numbers(axes.xaxis, axes.yaxis)


def _whole_numbers(*several: Axis) -> None:
    for axis in several:
        axis.set_major_locator(MaxNLocator(6, integer=True))
        axis.set_major_formatter(COUNT)
