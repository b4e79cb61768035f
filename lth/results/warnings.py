"""Warnings about results that may mislead."""

from collections.abc import Sequence

from lth.results.schemas import RunResult

_NAMED = 3
"""If more experiments are affected, the warning gives their number instead of their names."""


def remarks(results: Sequence[RunResult]) -> tuple[str, ...]:
    """Warnings about results, each of one sentence; an empty tuple if there are none.

    Args:
        results: one for each experiment and trial, in any order.
    """
    names = dict.fromkeys(result.experiment for result in results)
    past_its_best = {result.experiment for result in results if not _ends_at_its_best(result)}
    short = [name for name in names if name not in past_its_best]
    if not short:
        return ()
    of = "every experiment" if len(names) == len(short) > 1 else _listed(short)
    return (
        f"the least validation loss of {of} is at the last evaluation of every level: the training "
        "is too short for the early stop to mean anything",
    )


def _ends_at_its_best(result: RunResult) -> bool:
    """Whether the validation loss was still falling at the end of every level."""
    return all(level.early_stop.iteration == level.final.iteration for level in result.levels)


def _listed(names: Sequence[str]) -> str:
    shown = [f"'{name}'" for name in names[:_NAMED]]
    if len(names) > _NAMED:
        shown.append(f"{len(names) - _NAMED} more")
    *first, last = shown
    return f"{', '.join(first)} and {last}" if first else last
