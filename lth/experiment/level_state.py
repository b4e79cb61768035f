"""Serializes the unfinished training of a level for a checkpoint."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lth.engine.level import Best, LevelState, Point
from lth.engine.program import Totals
from lth.results.schemas import Scores


def described(state: LevelState) -> tuple[dict[str, Any], dict[str, Mapping[str, np.ndarray]]]:
    """Split the state of a training into a header of plain data and sections of arrays."""
    sections: dict[str, Mapping[str, np.ndarray]]
    sections = {"weights": state.weights, "slots": state.slots or {}}
    sections |= {f"kept-{step}": weights for step, weights in state.kept.items()}
    header: dict[str, Any] = {
        "iteration": state.iteration,
        "slots": state.slots is not None,
        "totals": [state.totals.loss, state.totals.correct, state.totals.steps],
        "points": [
            [p.iteration, p.train_loss, p.train_accuracy, p.validation.model_dump()]
            for p in state.points
        ],
        "kept": list(state.kept),
        "seconds": state.seconds,
    }
    if state.best is not None:
        header["best"] = [state.best.iteration, state.best.validation.model_dump()]
        sections["best"] = state.best.weights
    return header, sections


def restored(
    header: dict[str, Any], stored: Callable[[str], Mapping[str, np.ndarray]]
) -> LevelState:
    """Restore the state of a training from the result of `described`.

    Args:
        header: the header, after a round trip through JSON.
        stored: returns the arrays of a section of the checkpoint by its name.
    """
    best = header.get("best")
    return LevelState(
        iteration=header["iteration"],
        weights=dict(stored("current/weights")),
        slots=dict(stored("current/slots")) if header["slots"] else None,
        totals=Totals(*header["totals"]),
        points=[Point(i, loss, acc, Scores(**val)) for i, loss, acc, val in header["points"]],
        best=best and Best(best[0], Scores(**best[1]), dict(stored("current/best"))),
        kept={step: stored(f"current/kept-{step}") for step in header["kept"]},
        seconds=header["seconds"],
    )
