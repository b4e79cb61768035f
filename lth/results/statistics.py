"""Statistics over trials: summaries of experiments, and differences between experiments.

Only independent trials of the same experiment are averaged. Results of different settings are
refused.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import sqrt
from operator import attrgetter

import numpy as np
from scipy.special import stdtrit

from lth.core.errors import SpecError
from lth.results.records import Measures, measures
from lth.results.schemas import LevelResult, RunResult
from lth.results.summary import (
    Comparison,
    Coverage,
    Difference,
    ExperimentSummary,
    LevelSummary,
    Statistic,
    Summary,
)
from lth.results.warnings import remarks
from lth.spec.document import ControlExperiment, Spec

DENSE = "dense"
"""The name of a comparison with level 0 of the same trial."""

_COMPARED = ("early_stop_iteration", "early_stop_test_accuracy", "final_test_accuracy")

METRICS = (
    *_COMPARED,
    "early_stop_test_loss",
    "early_stop_test_top5",
    "early_stop_validation_loss",
    "final_test_loss",
    "final_test_top5",
    "final_validation_loss",
    "untrained_accuracy",
    "untrained_signed_constant_accuracy",
    "untrained_rescaled_accuracy",
)
"""The metrics of a summary, by the names of `lth.results.records.measures`."""


def summarise(results: Sequence[RunResult], controls: Mapping[str, str] | None = None) -> Summary:
    """Summarize each experiment over its trials, and compare it with the dense network.

    Args:
        results: one for each trial of each experiment, in any order.
        controls: the ticket of each control, by the control's name, to compare them as well.

    Raises:
        SpecError: if a trial is given twice, if results with the same name belong to different
            experiments, or if an experiment of `controls` has no result.
    """
    ordered = sorted(results, key=attrgetter("experiment", "trial"))
    groups = {
        name: tuple(trials) for name, trials in groupby(ordered, key=attrgetter("experiment"))
    }
    for name in dict.fromkeys(result.experiment for result in results):
        _check_same(name, groups[name])
    names = list(dict.fromkeys(result.experiment for result in results))
    comparisons = [part for name in names for part in _against_dense(groups[name])]
    for control, ticket in (controls or {}).items():
        missing = [name for name in (control, ticket) if name not in groups]
        if missing:
            raise SpecError(
                f"'{control}' cannot be compared with '{ticket}': there is no result of "
                f"'{missing[0]}', only of {', '.join(map(repr, names)) or 'nothing'}"
            )
        comparisons += _against_control(groups[ticket], groups[control])
    return Summary(
        experiments=tuple(_experiment(groups[name]) for name in names),
        comparisons=tuple(comparisons),
        remarks=remarks(results),
    )


def summarise_job(spec: Spec, results: Sequence[RunResult]) -> Summary:
    """Summarize the available results of a job, and say how much of the job they cover.

    Args:
        spec: the spec of the job.
        results: of the experiments that have succeeded, and partial ones, in any order.
    """
    done = {result.experiment for result in results}
    controls = {
        experiment.name: experiment.control.of
        for experiment in spec.expanded
        if isinstance(experiment, ControlExperiment)
        and {experiment.name, experiment.control.of} <= done
    }
    summary = summarise(results, controls)
    return summary.model_copy(update={"coverage": coverage(spec, results)})


def coverage(spec: Spec, results: Sequence[RunResult]) -> Coverage:
    """How much of a job's plan these results cover."""
    experiments, trials = len(spec.expanded), len(spec.trial_numbers)
    ended = [result for result in results if not result.partial]
    by_trial = Counter(result.trial for result in ended)
    return Coverage(
        trials=sum(number == experiments for number in by_trial.values()),
        trials_planned=trials,
        results=len(ended),
        results_planned=experiments * trials,
        partial=len(results) - len(ended),
        complete=len(ended) == experiments * trials,
    )


def statistic(values: Sequence[float]) -> Statistic:
    """Statistics of a number over trials.

    The interval is mean +- t(0.975, n - 1) x stddev / sqrt(n). It assumes a normal distribution
    over trials.

    Raises:
        SpecError: if there is no value.
    """
    if not values:
        raise SpecError("there is nothing to summarise: no value was given, at least one is needed")
    array = np.asarray(values, np.float64)
    mean, n = float(array.mean()), len(values)
    stddev = float(array.std(ddof=1)) if n > 1 else None
    half = float(stdtrit(n - 1, 0.975)) * stddev / sqrt(n) if stddev is not None else None
    return Statistic(
        n=n,
        mean=mean,
        median=float(np.median(array)),
        min=float(array.min()),
        max=float(array.max()),
        stddev=stddev,
        interval=None if half is None else (mean - half, mean + half),
    )


def _levels(results: Sequence[RunResult]) -> Iterator[list[LevelResult]]:
    """Each level of the trials that have reached it."""
    for place in range(max(len(result.levels) for result in results)):
        yield [result.levels[place] for result in results if len(result.levels) > place]


def _experiment(results: Sequence[RunResult]) -> ExperimentSummary:
    return ExperimentSummary(
        experiment=results[0].experiment,
        trials=tuple(result.trial for result in results),
        levels=tuple(_level(level) for level in _levels(results)),
    )


def _level(levels: Sequence[LevelResult]) -> LevelSummary:
    measured = [measures(level) for level in levels]
    found = {name: [each[name] for each in measured] for name in METRICS}
    return LevelSummary(
        level=levels[0].level,
        density=levels[0].density,
        metrics={
            name: statistic([value for value in values if value is not None])
            for name, values in found.items()
            if None not in values
        },
    )


def _against_dense(results: Sequence[RunResult]) -> Iterator[Comparison]:
    dense = _by_trial(results, 0)
    for place in range(1, max(len(result.levels) for result in results)):
        pruned = _by_trial(results, place)
        yield _compared(results[0].experiment, DENSE, pruned, dense)


def _against_control(
    ticket: Sequence[RunResult], control: Sequence[RunResult]
) -> Iterator[Comparison]:
    """The comparison of a ticket with its control, over the trials that both have finished."""
    for place in range(
        1, min(max(len(result.levels) for result in one) for one in (ticket, control))
    ):
        ours, theirs = _by_trial(ticket, place), _by_trial(control, place)
        both = sorted(ours.keys() & theirs.keys())
        if both:
            mine = {trial: ours[trial] for trial in both}
            yield _compared(ticket[0].experiment, control[0].experiment, mine, theirs)


def _by_trial(results: Sequence[RunResult], place: int) -> dict[int, LevelResult]:
    """One level of each trial that has reached it."""
    return {one.trial: one.levels[place] for one in results if len(one.levels) > place}


def _compared(
    experiment: str,
    against: str,
    ours: Mapping[int, LevelResult],
    theirs: Mapping[int, LevelResult],
) -> Comparison:
    pairs = {trial: (measures(ours[trial]), measures(theirs[trial])) for trial in ours}
    return Comparison(
        experiment=experiment,
        against=against,
        level=next(iter(ours.values())).level,
        metrics={
            name: _difference({trial: _minus(*pair, name) for trial, pair in pairs.items()})
            for name in _COMPARED
        },
    )


def _minus(ours: Measures, theirs: Measures, name: str) -> float:
    """The differences of all metrics of a level."""
    one, other = ours[name], theirs[name]
    assert one is not None
    assert other is not None
    return one - other


def _difference(by_trial: dict[int, float]) -> Difference:
    return Difference(
        by_trial=by_trial,
        statistic=statistic(list(by_trial.values())),
        higher=sum(value > 0 for value in by_trial.values()),
        lower=sum(value < 0 for value in by_trial.values()),
    )


def _check_same(name: str, results: Sequence[RunResult]) -> None:
    """Check that results are independent trials of one experiment."""
    for what in ("trial", "seed"):
        values = [getattr(result, what) for result in results]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise SpecError(
                f"{what} {twice[0]} of '{name}' was given {values.count(twice[0])} times; "
                "a summary takes each trial once"
            )
    first = results[0]
    for other in results[1:]:
        if other.method != first.method:
            raise SpecError(
                f"trials {first.trial} and {other.trial} of '{name}' are not of the same "
                "experiment: they differ in network, data, training, pruning or reset"
            )
        if not _same_shape(first, other):
            raise SpecError(
                f"trials {first.trial} and {other.trial} of '{name}' are not of the same "
                f"experiment: the levels of one have densities {_densities(first)}, those of the "
                f"other {_densities(other)}"
            )


def _same_shape(one: RunResult, other: RunResult) -> bool:
    """Whether the levels of two results are alike, as far as partial results go."""
    ours, theirs = _shape(one), _shape(other)
    both = min(len(ours), len(theirs))
    shorter = one if len(ours) == both else other
    return ours[:both] == theirs[:both] and (len(ours) == len(theirs) or shorter.partial)


def _shape(result: RunResult) -> list[tuple[int, float, tuple[str, ...], bool]]:
    return [
        (
            level.level,
            level.density,
            tuple(part.name for part in level.layers),
            bool(level.untrained),
        )
        for level in result.levels
    ]


def _densities(result: RunResult) -> str:
    return ", ".join(f"{level.density:.4g}" for level in result.levels)
