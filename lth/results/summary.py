"""Statistics over trials as plain data, and as a table of plain text."""

from html import escape
from typing import Any

from pydantic import Field

from lth.results.schemas import ResultModel
from lth.results.tables import aligned

_SUMMARY = ("experiment", "level", "kept", "test accuracy", "±", "early stop", "±")
_EXPLAINED = "means over trials, at the early stop; ±: half of the 95 % interval by Student's t"


class Statistic(ResultModel):
    """A number over trials."""

    n: int
    mean: float
    median: float
    min: float
    max: float
    stddev: float | None = Field(description="sample standard deviation; none for one trial")
    interval: tuple[float, float] | None = Field(
        description="95 % confidence interval of the mean by Student's t; none for one trial"
    )


class LevelSummary(ResultModel):
    """One level of one experiment, over its trials."""

    level: int
    density: float
    metrics: dict[str, Statistic] = Field(
        description="by name: early_stop_iteration, early_stop_test_accuracy, ..."
    )


class ExperimentSummary(ResultModel):
    """One experiment, over its trials."""

    experiment: str
    trials: tuple[int, ...]
    levels: tuple[LevelSummary, ...]


class Difference(ResultModel):
    """A metric of an experiment minus the same metric of another one, trial by trial."""

    by_trial: dict[int, float]
    statistic: Statistic
    higher: int = Field(description="trials in which the experiment's value is the higher one")
    lower: int = Field(description="trials in which it is the lower one")


class Comparison(ResultModel):
    """One level of an experiment, compared with another network of the same trials."""

    experiment: str
    against: str = Field(description="'dense', or the control that follows the experiment")
    level: int
    metrics: dict[str, Difference]


class Coverage(ResultModel):
    """How much of a job's plan its summary covers."""

    trials: int = Field(description="trials of which every experiment has a whole result")
    trials_planned: int
    results: int = Field(description="experiments with a whole result, over all trials")
    results_planned: int
    partial: int = Field(default=0, description="experiments with the result of some levels")
    complete: bool = Field(description="whether the summary is of all that was planned")


class Summary(ResultModel):
    """Statistics over the trials of a job or of a study."""

    experiments: tuple[ExperimentSummary, ...]
    comparisons: tuple[Comparison, ...]
    coverage: Coverage | None = Field(
        default=None, description="of a job; none where nothing was planned, as in a notebook"
    )

    remarks: tuple[str, ...] = Field(
        default=(), description="what to know before believing in it, each of one sentence"
    )

    def __str__(self) -> str:
        """A table of accuracy and early stop at every level."""
        return summary_table(self)

    def _repr_html_(self) -> str:
        """The representation in a notebook: the table, and what was noticed."""
        return f"<pre>{escape(str(self))}</pre>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The representation in a notebook."""
        printer.text(str(self))


def summary_table(summary: Summary) -> str:
    """A table of accuracy and early stop of every experiment at every level."""
    rows = [
        (experiment.experiment if level.level == 0 else "", *_cells(level))
        for experiment in summary.experiments
        for level in experiment.levels
    ]
    head, *body = aligned([_SUMMARY, *rows])
    return "\n".join([head, "-" * len(head), *body, _EXPLAINED, *summary.remarks])


def _cells(level: LevelSummary) -> tuple[str, ...]:
    accuracy = level.metrics["early_stop_test_accuracy"]
    stop = level.metrics["early_stop_iteration"]
    return (
        "dense" if level.level == 0 else f"{level.level}",
        f"{level.density:.2%}",
        f"{accuracy.mean:.2%}",
        f"{half:.2%}" if (half := _half(accuracy)) is not None else "",
        f"{stop.mean:,.0f}",
        f"{half:,.0f}" if (half := _half(stop)) is not None else "",
    )


def _half(statistic: Statistic) -> float | None:
    return statistic.interval and statistic.interval[1] - statistic.mean
