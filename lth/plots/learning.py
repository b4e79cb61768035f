"""Learning curves: of one run by level, and of experiments and trials side by side."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lth.core.errors import SpecError
from lth.plots.canvas import PANEL_HEIGHT, Plot, new_plot
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
    COLOURS,
    COUNT,
    INK,
    LEVELS,
    MUTED,
    SERIES,
    PerCent,
    density_ticks,
    dress,
    dress_bar,
    fit,
    grid,
    legend_beside,
    level_colours,
    level_scale,
    percent,
    wrapped,
)
from lth.results.schemas import LevelResult, RunResult
from lth.results.warnings import remarks

_LEGEND_OF = 12
"""With more levels than these, the plot has a color bar instead of a legend."""
_BAR_TICKS = 10
_WARM_UP = 0.2
"""The share of a level, from its start, that the axis may cut off."""
_MARK: dict[str, Any] = {
    "marker": "o",
    "markersize": 7,
    "markeredgecolor": "white",
    "markeredgewidth": 1.2,
    "linestyle": "none",
    "zorder": 5,
}
"""The marker of an early stop."""


def learning_curves(result: RunResult, title: str = "") -> Figure:
    """Plot validation accuracy and loss of every level of one run, with its early stops.

    Args:
        result: the run.
        title: what was run, such as `lth.spec.titles.what_was_run` returns.

    Raises:
        SpecError: if no level is finished.
    """
    if not result.levels:
        raise SpecError("there is nothing to plot: no level is finished; call train() first")
    trial = f"'{result.experiment}', trial {result.trial}"
    parts = (title, trial, said_of_starts([result]), *remarks([result]))
    plot = new_plot("Learning curves", parts, PANEL_HEIGHT)
    accuracy, loss = _panels(plot)
    densities = [level.density for level in result.levels]
    few = len(result.levels) <= _LEGEND_OF
    width = 1.5 if few else 0.9
    for level, colour in zip(result.levels, level_colours(densities), strict=True):
        history, stop = level.history, level.early_stop
        label = f"{percent(level.density)}{'  dense' if level.level == 0 else ''}"
        alone = "o" if len(history.iterations) == 1 else ""
        look = {"color": colour, "linewidth": width, "marker": alone, "label": label}
        accuracy.plot(history.iterations, history.validation_accuracy, **look)
        loss.plot(history.iterations, history.validation_loss, **look)
        _mark(accuracy, stop.iteration, stop.validation.accuracy, colour)
        _mark(loss, stop.iteration, stop.validation.loss, colour)
    _zoom(accuracy, loss, result.levels)
    loss.plot([], [], color=MUTED, label="early stop", **_MARK)
    if few:
        legend_beside(loss, "weights kept")
    else:
        _density_bar(plot, loss, densities)
    return plot


def compare_learning(
    results: Sequence[RunResult], *, level: int | None = None, title: str = ""
) -> Figure:
    """Plot validation accuracy and loss of several experiments and of the dense network.

    With several trials, lines are means, and bands are 95 % confidence intervals at each evaluation
    point. If there are more experiments than colors, bands are left out.

    Args:
        results: one for each experiment and trial.
        level: the level to compare; None for the last level of each experiment.
        title: what was run.

    Raises:
        SpecError: if trials of an experiment have different levels or evaluation points, or an
            experiment does not reach `level`.
    """
    series, remark = told_apart(by_experiment(results))
    bands = len(series) <= COLOURS
    said = mean_of(series, " with its 95 % interval" if bands else "")
    headline = "Learning curves of the last level" if level is None else f"Level {level} compared"
    parts = (title, said, remark, said_of_starts(results))
    plot = new_plot(headline, parts, legend_height(series))
    panels = _panels(plot)
    numbers = [_checked(one, level) for one in series]
    drawn: list[LevelResult] = []
    if any(numbers):
        dense = max(series, key=lambda one: len(one.results))
        look = {"color": INK, "linestyle": "-", "linewidth": 1.1}
        drawn += _course(panels, dense, 0, "dense", look, bands=bands)
    for one, number, (colour, line) in zip(series, numbers, SERIES, strict=False):
        look = {"color": colour, "linestyle": line, "linewidth": 1.7}
        drawn += _course(panels, one, number, one.experiment, look, bands=bands)
    _zoom(*panels, drawn)
    legend_beside(panels[1], "weights kept")
    return plot


def _panels(plot: Plot) -> tuple[Axes, Axes]:
    accuracy, loss = plot.subplots(1, 2)
    dress(accuracy, "validation accuracy", "iteration (optimizer steps)", "accuracy")
    dress(loss, "validation loss", "iteration (optimizer steps)", "cross-entropy (nats)")
    accuracy.yaxis.set_major_formatter(PerCent())
    for axes in (accuracy, loss):
        grid(axes)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(COUNT)
    return accuracy, loss


def _mark(axes: Axes, iteration: int, value: float, colour: Any) -> None:
    axes.plot([iteration], [value], color=colour, **_MARK)


def _course(
    panels: tuple[Axes, Axes],
    series: Series,
    number: int,
    name: str,
    look: dict[str, Any],
    *,
    bands: bool,
) -> tuple[LevelResult, ...]:
    """Draw one level of an experiment in both panels, and return its statistics over trials."""
    levels = series.level(number)
    iterations = _shared_iterations(series, levels)
    label = f"{wrapped(name)}  {percent(series.density(number))}"
    accuracies = [level.history.validation_accuracy for level in levels]
    losses = [level.history.validation_loss for level in levels]
    for axes, values in zip(panels, (accuracies, losses), strict=True):
        mean, interval = mean_and_interval(np.asarray(values))
        marker = "o" if len(iterations) == 1 else ""
        axes.plot(iterations, mean, label=label, marker=marker, **look)
        if bands and interval is not None:
            band = {"color": look["color"], "alpha": 0.18, "linewidth": 0}
            axes.fill_between(iterations, *interval, **band)
    return levels


def _shared_iterations(series: Series, levels: Sequence[LevelResult]) -> tuple[int, ...]:
    iterations = levels[0].history.iterations
    if any(level.history.iterations != iterations for level in levels):
        raise SpecError(
            f"trials of '{series.experiment}' were evaluated at different iterations of level "
            f"{levels[0].level}, so they have no mean; compare trials of one spec only"
        )
    return iterations


def _checked(series: Series, level: int | None) -> int:
    if level is None:
        return series.levels - 1
    if not 0 <= level < series.levels:
        raise SpecError(
            f"'{series.experiment}' has no level {level}; it has 0 to {series.levels - 1}"
        )
    return level


def _zoom(accuracy: Axes, loss: Axes, levels: Iterable[LevelResult]) -> None:
    """Scale the panels to the values after the warm-up."""
    accuracies, losses = [], []
    for level in levels:
        history = level.history
        late = np.asarray(history.iterations) >= _WARM_UP * history.iterations[-1]
        accuracies.append(np.asarray(history.validation_accuracy)[late])
        losses.append(np.asarray(history.validation_loss)[late])
    fit(accuracy, np.concatenate(accuracies), most=1.0)
    fit(loss, np.concatenate(losses))


def _density_bar(plot: Plot, axes: Axes, densities: Sequence[float]) -> None:
    colours = ScalarMappable(level_scale(densities), LEVELS)
    bar = plot.colorbar(colours, ax=axes, pad=0.03, aspect=28)
    density_ticks(bar.ax.yaxis, densities, _BAR_TICKS)
    dress_bar(bar, "weights kept (%)")
