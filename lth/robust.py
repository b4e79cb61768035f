"""LotteryRobust: a session repeated over trials with independent seeds."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
from matplotlib.figure import Figure

from lth.errors import SpecError
from lth.files import comparison_files, save
from lth.plots import accuracy_by_density, compare_learning
from lth.results import RunResult, Summary
from lth.running import Observer
from lth.session import LotterySession
from lth.statistics import summarise
from lth.training import Training


class LotteryRobust:
    """A session repeated over trials: every trial draws its own network, split and data order.

    Args:
        network: an unbuilt `keras.Sequential` of lottery layers, mixed freely with Keras' own.
        dataset: a name such as "digits", or a member of `lth.datasets.Dataset`.
        training: optimizer, batches and length of each level.
        trials: how many, 2 at least.
        seed: each trial's is spawned from it.
        datasets_dir: where data sets are looked up as ``NAME.npz``.
        output_layer: name of the output layer; by default the last lottery layer is.

    Raises:
        SpecError: when there are fewer than two trials.

    Example:
        >>> robust = LotteryRobust(network, "digits", trials=5)
        >>> robust.run([{"name": "ticket", "pruning": {"criterion": "large_final"}}])
        >>> robust.get_summary()
    """

    def __init__(
        self,
        network: keras.Sequential,
        dataset: Any = "digits",
        training: Training | None = None,
        *,
        trials: int = 5,
        seed: int = 0,
        datasets_dir: Path | None = None,
        output_layer: str | None = None,
    ) -> None:
        if trials < 2:
            raise SpecError(f"{trials} trials say nothing of their spread; give 2 at least")
        self._sessions = tuple(
            LotterySession(
                network,
                dataset,
                training,
                seed=seed,
                trial=trial,
                datasets_dir=datasets_dir,
                output_layer=output_layer,
            )
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

    def run(self, experiments: Iterable[Any], observer: Observer | None = None) -> None:
        """Carry the same experiments out in every trial.

        Args:
            experiments: members of `lth.spec.Experiment`, or dictionaries of their fields.
            observer: told of progress.
        """
        asked = tuple(experiments)
        for session in self._sessions:
            session.run(asked, observer)

    def get_summary(self) -> Summary:
        """Mean, median, extremes, deviation and 95 % interval of every metric at every level."""
        return summarise(self.results)

    def plot_learning(self, title: str = "") -> Figure:
        """Mean learning curves of the experiments at their last level, with 95 % bands."""
        return compare_learning(self.results, title=title)

    def plot_sparsity(self, title: str = "") -> Figure:
        """Accuracy and early-stop iteration against density, with bars over the trials."""
        return accuracy_by_density(self.results, title=title)

    def save_results(self, directory: Path | str) -> tuple[Path, ...]:
        """Write every trial's files into a folder of its own, and the summary beside them."""
        root, paths = Path(directory), []
        for session in self._sessions:
            paths += session.save_results(root / f"trial-{session.trial}")
        summary = self.get_summary().model_dump(mode="json")
        return (*paths, *save(comparison_files(self.results, summary, (), "", "png_svg"), root))
