"""The interface between a run and its caller: inputs, observer and outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from lth.datasets import Arrays
from lth.results.artifacts import Artifact
from lth.results.schemas import LevelResult, RunResult, Scores


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run.

    Attributes:
        level, levels: number of the level in training, and of the last level.
        iteration, iterations: finished steps of the level, and its length in steps.
        samples_per_second: measured since the last report.
        validation: scores; only at evaluation points.
    """

    level: int
    levels: int
    iteration: int
    iterations: int
    samples_per_second: float
    validation: Scores | None = None

    def __str__(self) -> str:
        found = self.validation
        scores = (
            f"validation accuracy {100 * found.accuracy:.2f} %, loss {found.loss:.4f}  "
            if found
            else ""
        )
        return (
            f"level {self.level}/{self.levels}  iteration {self.iteration:,}/{self.iterations:,}  "
            f"{scores}{self.samples_per_second:,.0f} samples/s"
        )


@dataclass
class TrainedLevel:
    """A finished level.

    Attributes:
        result: the scores and the history of the level.
        masks: bool in the shape of each kernel, by layer name; True = kept.
        weights: at the end of its training, float32 by path, such as ``linear_1/kernel``; zero
            where pruned.
    """

    result: LevelResult
    masks: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]

    def __str__(self) -> str:
        result = self.result
        stop, end = result.early_stop, result.final
        return (
            f"level {result.level} finished in {result.seconds:.1f} s: density "
            f"{result.density:.2%}, early stop at iteration {stop.iteration:,} with test accuracy "
            f"{stop.test.accuracy:.2%}, {end.test.accuracy:.2%} at the end"
        )


class Observer:
    """Receives progress, finished levels and checkpoints. This class ignores them.

    Derive from it, and define the methods that you need. A method may raise
    `lth.core.errors.Stopped`, or any other exception, to end the run. The training can then be
    continued from that step.
    """

    def experiment_started(self, experiment: str, trial: int) -> None:
        """Receive the name of the experiment of a session that begins or continues."""

    def progress(self, progress: Progress) -> None:
        """Receive the progress at every evaluation point, and about once a second between them."""

    def level_finished(self, level: TrainedLevel) -> None:
        """Receive a level after its training and evaluation, before its checkpoint."""

    def level_restored(self, level: TrainedLevel) -> None:
        """Receive the last level of the trunk or checkpoint from which an experiment continues."""

    def checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        """Receive the offer of a checkpoint, after every progress and after every level.

        The observer decides whether to save one. `content()` returns it as a temporary file, to be
        read from the beginning. A run with these bytes as `Inputs.checkpoint` continues from there,
        and ends with the bytes of an undisturbed run.
        """


_LINE = 100
"""Number of characters, so that a line covers the previous one."""


class Printing(Observer):
    """An observer that prints the progress: one line for each level, updated in place.

    Examples:
        >>> model.one_shot(0.8, observer=Printing())
        level 1/1  iteration 400/400  validation accuracy 95.56 %, loss 0.1480  52,000 samples/s
    """

    def progress(self, progress: Progress) -> None:
        """Update the line, at evaluation points only."""
        if progress.validation is None:
            return
        ended = progress.iteration >= progress.iterations
        print(str(progress).ljust(_LINE), end="\n" if ended else "\r", flush=True)


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a run.

    Attributes:
        data: the loaded data set.
        trunk: the dense training, if another run has done it (`Outcome.trunk`).
        ticket_masks: for a control, the ``masks.npz`` of its ticket.
        checkpoint: the last checkpoint of an interrupted attempt.

    Trunk and checkpoint are seekable files that stay open during the run.
    """

    data: Arrays
    trunk: BinaryIO | None = None
    ticket_masks: bytes | None = None
    checkpoint: BinaryIO | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run.

    Attributes:
        result: the levels; None for a trunk.
        artifacts: the files, with names from `lth.results.artifacts`.
        trunk: the dense training as a temporary file, if this run trained it.
    """

    result: RunResult | None
    artifacts: tuple[Artifact, ...]
    trunk: BinaryIO | None = None


class Publisher(Observer):
    """Observes a run of a job. It also receives what the run has found so far."""

    def publish(self, outcome: Outcome) -> None:
        """Receive the outcome of an experiment up to a finished level, before its checkpoint.

        The result is marked as partial, and there is no report.
        """
