"""Accuracy of masked networks before any training, against density.

Reference: Zhou et al. 2019, arXiv:1905.01067, section 5 (supermasks).
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lth.plots.canvas import new_plot
from lth.plots.series import (
    Series,
    by_experiment,
    legend_height,
    mean_and_interval,
    mean_of,
    told_apart,
)
from lth.plots.style import (
    COLOURS,
    INK,
    MUTED,
    SERIES,
    PerCent,
    density_axis,
    dress,
    grid,
    legend_beside,
    wrapped,
)
from lth.results.schemas import LevelResult, RunResult

_VARIANTS = {
    "masked": "kept weights as they are",
    "signed_constant": "signed constants",
    "rescaled": "rescaled by density",
}
"""Labels of the fields of `lth.results.schemas.Untrained`."""
_LOOKS: dict[str, dict[str, Any]] = {
    "masked": {"markersize": 8, "linewidth": 3.2},
    "signed_constant": {},
    "rescaled": {"markerfacecolor": "white", "markersize": 4.5, "linestyle": (0, (2, 1.2))},
}
"""The order of the variants in a panel.

With biases of zero, rescaling does not change the answers of
a ReLU network, so two lines coincide.
"""
_LOOK: dict[str, Any] = {"marker": "o", "markersize": 5, "linewidth": 1.6}
_TICKS, _TICKS_OF_THREE = 9, 4
_TRAINED, _CHANCE = "trained, at the early stop", "chance"


def supermask_by_density(
    results: Sequence[RunResult],
    *,
    classes: int,
    controls: Collection[str] = (),
    title: str = "",
) -> Figure:
    """Plot the test accuracy of masked networks after the reset, before any training.

    The kept weights are as the reset left them, replaced by signed constants, or rescaled. One
    experiment has one line for each variant; several experiments have one panel for each variant.
    The plot also shows the accuracy after training and the accuracy of guessing. With several
    trials, lines are means and bands are 95 % confidence intervals; with more experiments than
    colors, bands are left out.

    Args:
        results: one for each experiment and trial.
        classes: number of classes of the data.
        controls: names of the experiments that are controls; they are drawn hollow.
        title: what was run.

    Raises:
        SpecError: if trials of an experiment have different levels.
    """
    series, remark = told_apart(by_experiment(results), by=_best)
    alone = len(series) == 1
    bands = len(series) <= COLOURS
    said = mean_of(series, " with its 95 % interval" if bands else "")
    name = f"'{series[0].experiment}'" if alone else ""
    plot = new_plot(
        "Accuracy before any training", (title, name, said, remark), legend_height(series)
    )
    densities = [one.density(number) for one in series for number in range(one.levels)]
    panels = [plot.subplots()] if alone else list(plot.subplots(1, len(_VARIANTS), sharey=True))
    heads = ["the masked network, untrained"] if alone else list(_VARIANTS.values())
    for axes, head in zip(panels, heads, strict=True):
        label = "test accuracy" if axes is panels[0] else ""
        dress(axes, head, "weights kept (%, log scale)", label)
        grid(axes)
        density_axis(axes, densities, _TICKS if alone else _TICKS_OF_THREE)
        axes.axhline(1 / classes, label=_CHANCE, color=MUTED, linewidth=1, linestyle=(0, (5, 3)))
    panels[0].set_ylim(0, 1.02)
    panels[0].yaxis.set_major_formatter(PerCent())
    if alone:
        _trained(panels[0], series[0], {"color": INK, "linewidth": 1.1, "label": _TRAINED})
        for (variant, label), (colour, _) in zip(_VARIANTS.items(), SERIES, strict=False):
            look = {"color": colour, "label": label, **_LOOKS[variant]}
            _draw(panels[0], series[0], variant, look, bands=bands)
    else:
        panels[-1].plot([], [], color=MUTED, linewidth=0.8, label=_TRAINED)
        for axes, variant in zip(panels, _VARIANTS, strict=True):
            for one, (colour, line) in zip(series, SERIES, strict=False):
                _trained(axes, one, {"color": colour, "linestyle": line, "linewidth": 0.8})
                filling = "white" if one.experiment in controls else colour
                look = {"color": colour, "linestyle": line, "markerfacecolor": filling}
                look["label"] = wrapped(one.experiment)
                _draw(axes, one, variant, look, bands=bands)
    legend_beside(panels[-1])
    return plot


def _pruned(series: Series) -> list[int]:
    """The levels that have scores before their training."""
    return [
        number
        for number in range(series.levels)
        if all(each.untrained for each in series.level(number))
    ]


def _accuracies(series: Series, variant: str) -> NDArray[np.float64]:
    """[trials, pruned levels]."""

    def accuracy(level: LevelResult) -> float:
        return getattr(level.untrained, variant).accuracy if level.untrained else np.nan

    return series.table(accuracy)[:, _pruned(series)]


def _best(series: Series) -> float:
    """The highest mean over trials of any variant at any level."""
    means = [mean_and_interval(_accuracies(series, variant))[0] for variant in _VARIANTS]
    return float(np.max(means, initial=0.0))


def _trained(axes: Axes, series: Series, look: dict[str, Any]) -> None:
    mean, _ = mean_and_interval(series.table(lambda level: level.early_stop.test.accuracy))
    x = [series.density(number) for number in range(series.levels)]
    axes.plot(x, mean, marker="o", markersize=2, **look)


def _draw(axes: Axes, series: Series, variant: str, look: dict[str, Any], *, bands: bool) -> None:
    x = [series.density(number) for number in _pruned(series)]
    if not x:
        return
    mean, interval = mean_and_interval(_accuracies(series, variant))
    axes.plot(x, mean, **{**_LOOK, **look})
    if bands and interval is not None:
        # The band of a single level has only the width of its edge.
        edge = 0 if len(x) > 1 else _LOOK["markersize"]
        axes.fill_between(x, *interval, color=look["color"], alpha=0.18, linewidth=edge)
