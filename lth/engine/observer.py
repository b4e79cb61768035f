"""The interface between a run and its caller: inputs, observer and outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from lth.datasets import Arrays
from lth.results.artifacts import Artifact
from lth.results.schemas import RunResult, Scores


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


class Observer(Protocol):
    """Receives progress and checkpoints.

    A method may raise `lth.core.errors.Stopped` to end the run.
    """

    def progress(self, progress: Progress) -> None:
        """Receive the progress at every evaluation point, and about once a second between them."""
        ...

    def checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        """Receive the offer of a checkpoint, after every level and at evaluation points.

        The observer decides whether to save one. `content()` returns it as a temporary file, to be
        read from the beginning. A run with these bytes as `Inputs.checkpoint` continues from there,
        and ends with the bytes of an undisturbed run.
        """
        ...


class Silent:
    """An observer that ignores everything."""

    def progress(self, progress: Progress) -> None:
        """Ignore the progress."""

    def checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        """Save no checkpoint."""


_LINE = 100
"""Number of characters, so that a line covers the previous one."""


class Printing:
    """An observer that prints the progress: one line for each level, updated in place.

    Examples:
        >>> model.one_shot(0.8, observer=Printing())
        level 1/1  iteration 400/400  validation accuracy 95.56 %, loss 0.1480  52,000 samples/s
    """

    def progress(self, progress: Progress) -> None:
        """Update the line, at evaluation points only."""
        found = progress.validation
        if found is None:
            return
        said = (
            f"level {progress.level}/{progress.levels}  "
            f"iteration {progress.iteration:,}/{progress.iterations:,}  "
            f"validation accuracy {100 * found.accuracy:.2f} %, loss {found.loss:.4f}  "
            f"{progress.samples_per_second:,.0f} samples/s"
        )
        ended = progress.iteration >= progress.iterations
        print(said.ljust(_LINE), end="\n" if ended else "\r", flush=True)

    def checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        """Save no checkpoint."""


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
