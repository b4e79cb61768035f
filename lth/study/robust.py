"""LotteryRobust: a session repeated over trials with independent seeds."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lth.core.errors import SpecError
from lth.core.field_errors import whole
from lth.engine.observer import Observer
from lth.results.schemas import RunResult
from lth.results.statistics import summarise
from lth.results.summary import Summary
from lth.study.files import save_comparison
from lth.study.session import LotterySession
from lth.study.session_state import bundle, unbundle
from lth.study.study import Study
from lth.training.settings import Training


class LotteryRobust(Study):
    """A session repeated over trials: every trial draws its own network, split and data order.

    Args:
        network: as `LotterySession` takes it; each trial has initial weights of its own.
        dataset: likewise.
        training: likewise.
        trials: how many, 2 at least.
        **more: the further arguments of `LotterySession`, but for `trial`.

    Raises:
        SpecError: when there are fewer than two trials.

    Example:
        >>> robust = LotteryRobust(network, "digits", trials=5)
        >>> robust.run([{"name": "ticket", "pruning": {"criterion": "large_final"}}])
        >>> robust.get_summary()
    """

    def __init__(
        self,
        network: Any,
        dataset: Any = "digits",
        training: Training | None = None,
        *,
        trials: int = 5,
        **more: Any,
    ) -> None:
        trials = whole(trials, "trials", 2)
        self._sessions = tuple(
            LotterySession(network, dataset, training, trial=trial, **more)
            for trial in range(1, trials + 1)
        )

    @property
    def sessions(self) -> tuple[LotterySession, ...]:
        """One session a trial."""
        return self._sessions

    @property
    def results(self) -> tuple[RunResult, ...]:
        """What is known of every experiment of every trial."""
        return tuple(result for session in self._sessions for result in session.results)

    @property
    def classes(self) -> int:
        """Of the data."""
        return self._sessions[0].classes

    @property
    def controls(self) -> dict[str, str]:
        """The ticket that each control follows, by the control's name."""
        return self._sessions[0].controls

    def run(
        self, experiments: Iterable[Any] = (), observer: Observer | None = None, *, grid: Any = None
    ) -> None:
        """Carry the same experiments out in every trial; asked again, go on where that stopped.

        Args:
            experiments: members of `lth.spec.document.Experiment`, or dictionaries of their fields.
            observer: told of progress.
            grid: every criterion with every reset besides, as `LotterySession.run` takes it.
        """
        asked = tuple(experiments)
        for session in self._sessions:
            session.run(asked, observer, grid=grid)

    def state(self) -> bytes:
        """All that the trials have come to; `restore` goes on from it."""
        return bundle({_named(session): session.state() for session in self._sessions}, None)

    def restore(self, content: bytes) -> None:
        """Go on from what was saved, with as many trials as before or with more of them.

        Raises:
            CheckpointUnreadable: when it is none, or another version of the library wrote it.
            SpecError: when it is of another network, seed, training or data, or of more trials.
        """
        states, _ = unbundle(content, "LotteryRobust")
        if len(states) > len(self._sessions):
            raise SpecError(
                f"this state is of {len(states)} trials, but there are {len(self._sessions)}; "
                f"give trials={len(states)}, or more"
            )
        for session in self._sessions[: len(states)]:
            session.restore(states[_named(session)])

    def get_summary(self) -> Summary:
        """Mean, median, extremes, deviation and 95 % interval of every metric at every level.

        Experiments are compared with the dense network and with their controls, trial by trial.
        """
        return summarise(self.results, self.controls)

    def save_results(self, directory: Path | str) -> tuple[Path, ...]:
        """Write every trial's files into a folder of its own, and the summary beside them."""
        root, paths = Path(directory), []
        for session in self._sessions:
            paths += session.save_results(root / f"trial-{session.trial}")
        return (*paths, *save_comparison(self, root))


def _named(session: LotterySession) -> str:
    return f"trial-{session.trial}"
