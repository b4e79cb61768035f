"""LotteryRobust: a session that is repeated over trials with independent seeds."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lth.core.errors import SpecError
from lth.core.field_errors import whole
from lth.results.schemas import RunResult
from lth.results.statistics import summarise
from lth.results.summary import Summary
from lth.study.files import save_comparison
from lth.study.observing import Observing, observing
from lth.study.session import LotterySession
from lth.study.session_state import bundle, unbundle
from lth.study.study import Study
from lth.training.settings import Training

_EQUAL_STARTS = (
    "all trials start from the given weights, so they differ in the split of the data, the order "
    "of the samples and the noise alone"
)


class LotteryRobust(Study):
    """A session that is repeated over trials. Each trial has its own network, split and data order.

    Args:
        network: as in `LotterySession`; each trial draws its own initial weights,
            unless `initial_weights` is "given".
        dataset: as in `LotterySession`.
        training: as in `LotterySession`.
        trials: number of trials, at least 2.
        **more: further arguments of `LotterySession`, except `trial`.

    Raises:
        SpecError: if there are fewer than two trials.

    Examples:
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

    def __repr__(self) -> str:
        first = repr(self._sessions[0]).partition("(")[2].replace("; trial 1", "")
        return f"{type(self).__name__}({len(self._sessions)} trials of {first}"

    @property
    def sessions(self) -> tuple[LotterySession, ...]:
        """The session of each trial."""
        return self._sessions

    @property
    def results(self) -> tuple[RunResult, ...]:
        """The results of all experiments of all trials."""
        return tuple(result for session in self._sessions for result in session.results)

    @property
    def classes(self) -> int:
        """Number of classes of the data."""
        return self._sessions[0].classes

    @property
    def controls(self) -> dict[str, str]:
        """The name of the ticket that each control follows, by the name of the control."""
        return self._sessions[0].controls

    def run(
        self, experiments: Iterable[Any] = (), observer: Observing = "bar", *, grid: Any = None
    ) -> None:
        """Run the same experiments in every trial. After an interruption, call it again.

        Args:
            experiments: members of `lth.spec.document.Experiment`, or dictionaries of their fields.
            observer: as in `LotterySession.run`.
            grid: combinations of criteria and resets, as in `LotterySession.run`.
        """
        asked = tuple(experiments)
        with observing(observer) as seeing:
            for session in self._sessions:
                session.run(asked, seeing, grid=grid)

    def state(self) -> bytes:
        """The state of all trials as bytes; `restore` continues from it."""
        return bundle({_named(session): session.state() for session in self._sessions}, None)

    def restore(self, content: bytes) -> None:
        """Continue from a saved state, with the same number of trials or more.

        Raises:
            CheckpointUnreadable: if it is not a saved state, or another version of the library
                wrote it.
            SpecError: if it belongs to another network, seed, training or data set, or has more
                trials.
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
        summary = summarise(self.results, self.controls)
        if self._sessions[0].context.blueprint.starts_from_given_weights:
            return summary.model_copy(update={"remarks": (*summary.remarks, _EQUAL_STARTS)})
        return summary

    def save_results(self, directory: Path | str) -> tuple[Path, ...]:
        """Write the files of each trial to a directory of its own, and the summary beside them."""
        root, paths = Path(directory), []
        for session in self._sessions:
            paths += session.save_results(root / f"trial-{session.trial}")
        return (*paths, *save_comparison(self, root))


def _named(session: LotterySession) -> str:
    return f"trial-{session.trial}"
