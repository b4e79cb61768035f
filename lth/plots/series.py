"""Results sorted for plots: experiments with their trials, and statistics along them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lth.core.errors import SpecError
from lth.plots.canvas import PANEL_HEIGHT
from lth.plots.style import SERIES, wrapped
from lth.results.schemas import LevelResult, RunResult


@dataclass(frozen=True, slots=True)
class Series:
    """All trials of one experiment, ordered by trial."""

    experiment: str
    results: tuple[RunResult, ...]

    @property
    def levels(self) -> int:
        """Number of levels of the trial that has most, including the dense one."""
        return max(len(result.levels) for result in self.results)

    def level(self, number: int) -> tuple[LevelResult, ...]:
        """One level of every trial that has reached it; negative numbers count from the last."""
        place = number % self.levels
        return tuple(result.levels[place] for result in self.results if len(result.levels) > place)

    def density(self, number: int) -> float:
        """Density of a level; it is the same in every trial."""
        return self.level(number)[0].density

    def table(self, measure: Callable[[LevelResult], float]) -> NDArray[np.float64]:
        """A number of every level, [trials, levels]; NaN where a trial has not come so far."""
        values = np.full((len(self.results), self.levels), np.nan)
        for row, result in zip(values, self.results, strict=True):
            row[: len(result.levels)] = [measure(level) for level in result.levels]
        return values


def by_experiment(results: Sequence[RunResult]) -> list[Series]:
    """The results by experiment, in order of appearance.

    Raises:
        SpecError: if there is no result, if a trial appears twice, or if results with the same name
            belong to different experiments.
    """
    if not results:
        raise SpecError("there is nothing to plot: no result was given, at least one is needed")
    groups: dict[str, dict[int, RunResult]] = {}
    for result in results:
        trials = groups.setdefault(result.experiment, {})
        if result.trial in trials:
            raise SpecError(f"trial {result.trial} of '{result.experiment}' was given twice")
        trials[result.trial] = result
    series = [
        Series(name, tuple(trials[number] for number in sorted(trials)))
        for name, trials in groups.items()
    ]
    for one in series:
        _check_same(one)
    return series


def _check_same(series: Series) -> None:
    first, *others = series.results
    for other in others:
        ended = {len(one.levels) for one in (first, other) if not one.partial}
        if other.method != first.method or len(ended) > 1:
            raise SpecError(
                f"trials {first.trial} and {other.trial} of '{series.experiment}' are not of the "
                "same experiment, so they have no mean; give experiments that differ in method or "
                "levels different names"
            )


def accuracy_at_the_end(series: Series) -> float:
    """Mean test accuracy at the early stop of the last level."""
    last = series.level(-1)
    return sum(level.early_stop.test.accuracy for level in last) / len(last)


def told_apart(
    series: Sequence[Series], by: Callable[[Series], float] = accuracy_at_the_end
) -> tuple[Sequence[Series], str]:
    """The experiments that one plot can show, and a note if some are left out.

    The best experiments by the plotted metric are kept, in their order.
    """
    most = len(SERIES)
    if len(series) <= most:
        return series, ""
    ranked = sorted(series, key=by, reverse=True)[:most]
    chosen = [one for one in series if one in ranked]
    return chosen, f"the best {most} of {len(series)} experiments"


def said_of_starts(results: Iterable[RunResult]) -> str:
    """A note about the first iteration of pruned levels, unless it is 0."""
    starts = sorted({level.start for result in results for level in result.levels[1:]} - {0})
    if not starts:
        return ""
    points = " or ".join(f"{start:,}" for start in starts)
    return f"levels rewound to iteration {points} count on from there"


def legend_height(series: Sequence[Series]) -> float:
    """Height in inches for a legend of all experiments and two more entries."""
    lines = 4 + sum(1 + wrapped(one.experiment).count("\n") for one in series)
    return max(PANEL_HEIGHT, 0.21 * lines)


def mean_of(series: Sequence[Series], shown: str) -> str:
    """The number of trials that were averaged, and how they are `shown`; empty for one trial.

    While a job runs, experiments may have different numbers of finished trials.
    """
    counts = {len(one.results) for one in series}
    least, most = min(counts), max(counts)
    if most == 1:
        return ""
    return f"mean of {most if least == most else f'{least} to {most}'} trials{shown}"


def mean_and_interval(
    values: NDArray[np.floating],
) -> tuple[NDArray[np.floating], tuple[NDArray[np.floating], NDArray[np.floating]] | None]:
    """The mean of each column of `values` [trials, points], and its 95 % interval.

    The interval is the one of `lth.results.statistics.statistic`, for a whole curve at once. NaN
    stands for a missing value. A column with one value has no interval, but NaN.
    """
    n = np.sum(~np.isnan(values), axis=0)
    mean = np.nansum(values, axis=0) / n
    if n.max(initial=0) < 2:
        return mean, None
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.nansum((values - mean) ** 2, axis=0) / (n - 1)
        half = stdtrit(n - 1, 0.975) * np.sqrt(variance / n)
    return mean, (mean - half, mean + half)
