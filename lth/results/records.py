"""Results as rows of plain data: one row for each trial, experiment and level."""

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from lth.results.schemas import LevelResult, RunResult, Scores

Record = dict[str, Any]
"""A row by column; every row has the same columns, with None for missing values."""

Measures = Mapping[str, float | None]
"""The metrics of a level by name; None for missing values."""


def records(results: Iterable[RunResult]) -> list[Record]:
    """One row for each trial, experiment and level, in this order.

    Args:
        results: one for each experiment and trial.

    Examples:
        >>> pandas.DataFrame(records(results)).pivot(...)
    """
    return [
        {
            "trial": result.trial,
            "seed": result.seed,
            "experiment": result.experiment,
            "level": level.level,
            "density": level.density,
            "sparsity": level.sparsity,
            "kept": sum(layer.kept for layer in level.layers),
            "start": level.start,
            **measures(level),
            "seconds": level.seconds,
            "samples_per_second": level.samples_per_second,
            "partial": result.partial,
        }
        for result in sorted(results, key=lambda result: result.trial)
        for level in result.levels
    ]


def measures(level: LevelResult) -> Measures:
    """All metrics of a level: at its early stop, at its end, and before its training."""
    untrained = level.untrained
    return {
        "early_stop_iteration": level.early_stop.iteration,
        **_scores("early_stop_validation", level.early_stop.validation),
        **_scores("early_stop_test", level.early_stop.test),
        "final_iteration": level.final.iteration,
        **_scores("final_validation", level.final.validation),
        **_scores("final_test", level.final.test),
        **_scores("untrained", untrained and untrained.masked),
        **_scores("untrained_signed_constant", untrained and untrained.signed_constant),
        **_scores("untrained_rescaled", untrained and untrained.rescaled),
    }


def as_csv(rows: Iterable[Record]) -> bytes:
    """Rows as a CSV file: UTF-8, a header, empty cells for None, floats in full precision."""
    rows = list(rows)
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _scores(point: str, scores: Scores | None) -> Measures:
    return {f"{point}_{name}": scores and getattr(scores, name) for name in Scores.model_fields}
