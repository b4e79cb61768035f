"""The figure of the papers: accuracy and early stop against density.

Reference: Frankle & Carbin 2019, arXiv:1803.03635, figures 1, 4 and 5.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lth.plots.canvas import Plot, new_plot
from lth.plots.series import (
    Series,
    by_experiment,
    legend_height,
    mean_and_interval,
    mean_of,
    said_of_starts,
    told_apart,
)
from lth.plots.style import (
    COUNT,
    MUTED,
    SERIES,
    PerCent,
    density_axis,
    dress,
    fit,
    grid,
    legend_beside,
    wrapped,
)
from lth.results.schemas import RunResult
from lth.results.warnings import remarks

_TICKS = 9
_SHOWN = {"interval": ", bars are its 95 % interval", "range": ", bars from lowest to highest"}
_DENSE: dict[str, Any] = {"color": MUTED, "linewidth": 1, "linestyle": (0, (5, 3))}


Bars = Literal["interval", "range"]
"""Error bars: the 95 % interval of the mean, or from the lowest to the highest trial."""


def accuracy_by_density(
    results: Sequence[RunResult],
    *,
    controls: Collection[str] = (),
    bars: Bars = "interval",
    title: str = "",
) -> Figure:
    """Plot test accuracy at the early stop, and the early-stop iteration, against density.

    Density falls from the dense network on the left to the sparsest ticket on the right, on a
    logarithmic axis. Points are means over trials. The dashed line is the dense network. Early
    stops are iterations of the training schedule, including the steps before a late rewind point.

    Args:
        results: one for each experiment and trial.
        controls: names of the experiments that are controls; they are drawn hollow.
        bars: "interval" for the 95 % interval of the mean, or "range" for the lowest and the
            highest trial, as in the papers.
        title: what was run.

    Raises:
        SpecError: if trials of an experiment have different levels.
    """
    series, remark = told_apart(by_experiment(results))
    said = mean_of(series, _SHOWN[bars])
    headline = "Accuracy and early stop by density"
    parts = (title, said, remark, said_of_starts(results), *remarks(results))
    plot = new_plot(headline, parts, legend_height(series))
    accuracy, stop = _panels(plot)
    densities = [one.density(number) for one in series for number in range(one.levels)]
    dense = max(series, key=lambda one: len(one.results))
    for axes, values_of in ((accuracy, _accuracies), (stop, _stops)):
        density_axis(axes, densities, _TICKS)
        level = float(np.nanmean(values_of(dense)[:, 0]))
        axes.axhline(level, label="dense network", **_DENSE)
        axes.plot([dense.density(0)], [level], marker="o", markersize=5, color=MUTED, zorder=4)
        for one, (colour, line) in zip(series, SERIES, strict=False):
            filling = "white" if one.experiment in controls else colour
            look = {"color": colour, "linestyle": line, "markerfacecolor": filling}
            _draw(axes, one, values_of(one), bars, look)
    fit(accuracy, np.concatenate([_reached(_accuracies(one), bars) for one in series]), most=1.0)
    stop.set_ylim(0, 1.06 * max(_reached(_stops(one), bars).max() for one in series))
    legend_beside(stop)
    return plot


def _panels(plot: Plot) -> tuple[Axes, Axes]:
    accuracy, stop = plot.subplots(1, 2)
    dress(accuracy, "test accuracy at the early stop", "weights kept (%, log scale)", "accuracy")
    dress(
        stop,
        "early stop: least validation loss",
        "weights kept (%, log scale)",
        "iteration (optimizer steps)",
    )
    accuracy.yaxis.set_major_formatter(PerCent())
    stop.yaxis.set_major_formatter(COUNT)
    grid(accuracy)
    grid(stop)
    return accuracy, stop


def _accuracies(series: Series) -> NDArray[np.float64]:
    return series.table(lambda level: level.early_stop.test.accuracy)


def _stops(series: Series) -> NDArray[np.float64]:
    return series.table(lambda level: level.early_stop.iteration)


def _ends(
    values: NDArray[np.float64], bars: Bars
) -> tuple[NDArray[np.floating], NDArray[np.floating]] | None:
    """The lower and the upper end of the error bar of each level; None for a single trial."""
    if len(values) < 2:
        return None
    if bars == "range":
        return np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    return mean_and_interval(values)[1]


def _reached(values: NDArray[np.float64], bars: Bars) -> NDArray[np.floating]:
    """All values, and the ends of their error bars."""
    everything = np.concatenate([values, *(_ends(values, bars) or ())], axis=None)
    return everything[~np.isnan(everything)]


def _draw(
    axes: Axes, series: Series, values: NDArray[np.float64], bars: Bars, look: dict[str, Any]
) -> None:
    """Draw the levels of an experiment; the dense network has one marker for all experiments."""
    x = [series.density(number) for number in range(series.levels)]
    mean, ends = mean_and_interval(values)[0], _ends(values, bars)
    axes.errorbar(
        x,
        mean,
        yerr=None if ends is None else [mean - ends[0], ends[1] - mean],
        label=wrapped(series.experiment),
        marker="o",
        markevery=slice(1, None),
        markersize=5,
        linewidth=1.6,
        elinewidth=1,
        capsize=2.5,
        **look,
    )
