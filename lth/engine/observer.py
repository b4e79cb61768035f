"""What a run takes in, whom it tells, and what it gives back: the seam to whoever executes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from lth.datasets import Arrays
from lth.results.artifacts import Artifact
from lth.results.schemas import RunResult, Scores


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        level, levels: the level in training, and the number of the last one.
        iteration, iterations: steps done within the level, and its length.
        samples_per_second: measured since the last report.
        validation: scores, at evaluation points only.
    """

    level: int
    levels: int
    iteration: int
    iterations: int
    samples_per_second: float
    validation: Scores | None = None


class Observer(Protocol):
    """Whom a run tells of itself. Either method may raise `lth.core.errors.Stopped` to end it."""

    def progress(self, progress: Progress) -> None:
        """Called at every evaluation point, and about once a second between them."""
        ...

    def checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        """Offered after every level and at evaluation points; `content()` writes it.

        The observer decides when a checkpoint is due. `content()` returns a temporary file, to be
        read from its beginning. A run that is given the same bytes as `Inputs.checkpoint` goes on
        from there and ends with the bytes of an undisturbed one.
        """
        ...


class Silent:
    """An observer that wants to know nothing."""

    def progress(self, progress: Progress) -> None:
        """Ignore the progress."""

    def checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        """Keep nothing."""


_LINE = 100
"""Characters, so that a line covers the one before it."""


class Printing:
    """An observer that prints how far a training has come: one line a level, kept up to date.

    Example:
        >>> model.one_shot(0.8, observer=Printing())
        level 1/1  iteration 400/400  validation accuracy 95.56 %, loss 0.1480  52,000 samples/s
    """

    def progress(self, progress: Progress) -> None:
        """Print the line anew; at evaluation points only."""
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
        """Keep nothing."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run starts from.

    Attributes:
        data: the data set, loaded.
        trunk: the dense training, if it is there already (`Outcome.trunk` of another run).
        ticket_masks: for a control, the ``masks.npz`` of the ticket that it follows.
        checkpoint: where an interrupted attempt at this run had come to.

    Trunk and checkpoint are files that can be read at any place, as long as the run lasts.
    """

    data: Arrays
    trunk: BinaryIO | None = None
    ticket_masks: bytes | None = None
    checkpoint: BinaryIO | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gives back.

    Attributes:
        result: the levels; None for a trunk.
        artifacts: the files, with names from `lth.results.artifacts`.
        trunk: the dense training as a temporary file, when this run was the one to do it.
    """

    result: RunResult | None
    artifacts: tuple[Artifact, ...]
    trunk: BinaryIO | None = None
