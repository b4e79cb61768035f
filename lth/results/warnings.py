"""Warnings about results that may mislead."""

from collections.abc import Iterator, Sequence
from math import sqrt

from lth.results.schemas import RunResult

_INTERVAL = 1.96
"""Half of the width of a 95 % interval, in standard deviations."""
_FAMILIES = {"criterion": "criterion", "schedule": "schedule", "scope": "scope", "reinit": "reset"}
_NAMED = 3
"""If more experiments are affected, the warning gives their number instead of their names."""


def remarks(results: Sequence[RunResult]) -> tuple[str, ...]:
    """Warnings about results, each of one sentence; an empty tuple if there are none.

    Args:
        results: one for each experiment and trial, in any order.
    """
    said = [
        _too_short(results),
        _no_better_than_guessing(results),
        *_empty_layers(results),
        *_external(results),
    ]
    return tuple(one for one in said if one)


def _too_short(results: Sequence[RunResult]) -> str:
    names = dict.fromkeys(result.experiment for result in results)
    past_its_best = {result.experiment for result in results if not _ends_at_its_best(result)}
    short = [name for name in names if name not in past_its_best]
    if not short:
        return ""
    of = "every experiment" if len(names) == len(short) > 1 else _listed(short)
    return (
        f"the least validation loss of {of} is at the last evaluation of every level: the training "
        "is too short for the early stop to mean anything"
    )


def _no_better_than_guessing(results: Sequence[RunResult]) -> str:
    names = dict.fromkeys(result.experiment for result in results)
    better = {result.experiment for result in results if _better_than_guessing(result)}
    if not (poor := [name for name in names if name not in better]):
        return ""
    shares = [result.test_samples.majority for result in results if result.test_samples]
    return (
        f"no level of {_listed(poor)} is better than guessing the most frequent class, which has "
        f"{max(shares):.1%} of the test samples"
    )


def _better_than_guessing(result: RunResult) -> bool:
    """Whether a level is above the 95 % interval of guessing, by the normal approximation."""
    if result.test_samples is None or not result.levels:
        return True
    n, share = result.test_samples.number, result.test_samples.majority
    best = max(level.early_stop.test.accuracy for level in result.levels)
    return share == 1 or best > share + _INTERVAL * sqrt(share * (1 - share) / n)


def _empty_layers(results: Sequence[RunResult]) -> Iterator[str]:
    first: dict[tuple[str, str], int] = {}
    for result in results:
        for level in result.levels:
            for layer in level.layers:
                if layer.kept == 0:
                    key = (result.experiment, layer.name)
                    first[key] = min(level.level, first.get(key, level.level))
    for (experiment, layer), level in first.items():
        yield f"layer '{layer}' of '{experiment}' has no surviving weights from level {level} on"


def _external(results: Sequence[RunResult]) -> Iterator[str]:
    used: dict[tuple[str, str], None] = {}
    for result in results:
        for each in result.external:
            what = _FAMILIES.get(each.family, "member")
            by = f"of the package {each.package} {each.version}"
            if each.digest is not None:
                by = f"of a notebook (source {each.digest[:12]})"
            used[result.experiment, f"the {what} '{each.name}' {by}"] = None
    for experiment, member in used:
        yield f"'{experiment}' uses {member}"


def _ends_at_its_best(result: RunResult) -> bool:
    """Whether the validation loss was still falling at the end of every level."""
    return all(level.early_stop.iteration == level.final.iteration for level in result.levels)


def _listed(names: Sequence[str]) -> str:
    shown = [f"'{name}'" for name in names[:_NAMED]]
    if len(names) > _NAMED:
        shown.append(f"{len(names) - _NAMED} more")
    *first, last = shown
    return f"{', '.join(first)} and {last}" if first else last
