"""LotteryModel: one experiment on one network."""

from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import keras
from matplotlib.figure import Figure

from lth.core.disk_arrays import as_file, content_of
from lth.core.durations import START, Duration
from lth.core.field_errors import valid
from lth.engine.network import Weights
from lth.engine.observer import Observer, Silent
from lth.experiment.context import Context, environment
from lth.experiment.runner import ExperimentRunner
from lth.experiment.state import ExperimentState, Rewinds, TrainedLevel
from lth.plots import learning_curves, pruning_summary
from lth.pruning.controls import Control
from lth.pruning.masks import Mask
from lth.pruning.pruned_values import PrunedWeights
from lth.reinit import Reinit
from lth.results.layers import layer_table
from lth.results.schemas import LevelResult, RunResult
from lth.spec.document import Method
from lth.study.files import save_experiment
from lth.study.inspection import finished_level, keras_network, layer_mask_picture, weights_picture
from lth.study.study import Study
from lth.study.trial import OneTrial


class LotteryModel(OneTrial, Study):
    """One experiment on one network: train, prune, reset, and train again.

    The steps can be taken one by one (`train`, `prune`, `reinit`), or all at once (`one_shot`,
    `iterative_pruning`). Whatever is named by a string or a dictionary, such as a criterion, may
    also be a member of its family.

    Example:
        >>> network = keras.Sequential([Flatten(), LotteryLinear(300, "relu"), LotteryLinear(10)])
        >>> model = LotteryModel(network, "digits", Training(duration="5ep"))
        >>> levels = model.one_shot(sparsity=0.8)
        >>> print(model.pruning_summary())
    """

    def _begin(self, context: Context, trial: int, rewind_points: Collection[int]) -> None:
        super()._begin(context, trial, rewind_points)
        self._runner = ExperimentRunner(context, self._rewind_points)

    # -- the steps ------------------------------------------------------------------------------

    def train(self, observer: Observer | None = None) -> LevelResult:
        """Train the current level to its end, and score it.

        Raises:
            SpecError: when the level is trained already; prune it first.
            Diverged: when the loss is no longer finite.
        """
        return self._runner.train(observer or Silent())

    def prune(
        self,
        criterion: Any = "large_final",
        sparsity: float = 0.8,
        scope: Any = "layer",
        pruned_weights: PrunedWeights = "zero",
    ) -> str:
        """Prune the trained level: from here on the next level is meant.

        Args:
            criterion: which weights stay.
            sparsity: share of a layer's weights that is pruned afterwards, at a rate of 1. What
                was pruned before counts, and stays pruned.
            scope: who competes with whom, and each layer's rate.
            pruned_weights: what pruned weights become.

        Returns:
            The pruning summary.

        Raises:
            SpecError: when the level is not trained yet, or nothing would be pruned.
        """
        once = {"kind": "one_shot", "sparsity": sparsity}
        self._runner.prune(self._method(once, criterion, "none", scope, pruned_weights).pruning)
        return self.pruning_summary()

    def reinit(self, mode: Any = "rewind") -> None:
        """Reset the survivors before they are trained again; without it they stay as trained.

        Args:
            mode: what they become.

        Raises:
            SpecError: when nothing was pruned since the last training.
        """
        self._runner.reset(valid(Reinit, mode, "mode"))

    # -- whole experiments ----------------------------------------------------------------------

    def one_shot(
        self,
        sparsity: float = 0.8,
        criterion: Any = "large_final",
        reinit: Any = "rewind",
        scope: Any = "layer",
        pruned_weights: PrunedWeights = "zero",
        observer: Observer | None = None,
    ) -> tuple[LevelResult, ...]:
        """Train, prune once, reset and train again: `iterative_pruning` of a single round.

        Args:
            sparsity: share of a layer's weights that is pruned, at a rate of 1.
            criterion: which weights stay.
            reinit: what survivors become before they are trained again.
            scope: who competes with whom, and each layer's rate.
            pruned_weights: what pruned weights become.
            observer: told of progress and offered checkpoints.
        """
        once = {"kind": "one_shot", "sparsity": sparsity}
        return self.iterative_pruning(once, criterion, reinit, scope, pruned_weights, observer)

    def iterative_pruning(
        self,
        schedule: Any,
        criterion: Any = "large_final",
        reinit: Any = "rewind",
        scope: Any = "layer",
        pruned_weights: PrunedWeights = "zero",
        observer: Observer | None = None,
    ) -> tuple[LevelResult, ...]:
        """Train, prune, reset, and so on, to the schedule's last level.

        Args:
            schedule: how much is pruned at each round, such as ``{"kind": "geometric",
                "fraction": 0.2, "rounds": 7}``, the papers' way to 21 %.
            criterion: which weights stay.
            reinit: what survivors become before they are trained again.
            scope: who competes with whom, and each layer's rate.
            pruned_weights: what pruned weights become.
            observer: told of progress and offered checkpoints.

        Returns:
            What is known of each level, from 0.

        Raises:
            SpecError: when the experiment has been pruned in another way before.
        """
        method = self._method(schedule, criterion, reinit, scope, pruned_weights)
        return self.follow(method, observer)

    def follow(self, method: Method, observer: Observer | None = None) -> tuple[LevelResult, ...]:
        """Carry a method out to its last level, from wherever the experiment is.

        Args:
            method: pruning and reset.
            observer: told of progress and offered checkpoints.

        Returns:
            What is known of each level.
        """
        self._runner.follow(method, observer or Silent())
        return self.levels

    def follow_control(
        self,
        control: Control,
        ticket_masks: Mapping[int, dict[str, Mask]],
        rewind_point: Duration = START,
        observer: Observer | None = None,
    ) -> tuple[LevelResult, ...]:
        """Train what must lose if the ticket is special.

        Args:
            control: what is different from the ticket.
            ticket_masks: the ticket's, by level from 1.
            rewind_point: the ticket's.
            observer: told of progress and offered checkpoints.
        """
        self._runner.follow_control(control, ticket_masks, rewind_point, observer or Silent())
        return self.levels

    # -- what is known --------------------------------------------------------------------------

    @property
    def levels(self) -> tuple[LevelResult, ...]:
        """What is known of the finished levels, from 0."""
        return tuple(level.result for level in self._runner.state.finished)

    @property
    def trained_levels(self) -> tuple[TrainedLevel, ...]:
        """The finished levels with their masks and weights."""
        return tuple(self._runner.state.finished)

    @property
    def masks(self) -> dict[str, Mask]:
        """Of the current level, bool by layer name; True = kept."""
        return dict(self._runner.state.masks)

    @property
    def initial_weights(self) -> Weights:
        """What level 0 started from, float32 by path."""
        return dict(self._runner.state.rewinds[0])

    @property
    def ticket(self) -> Weights:
        """What the current level's training starts from, float32 by path; zero where pruned."""
        return dict(self._runner.state.start)

    @property
    def results(self) -> tuple[RunResult, ...]:
        return (self.result(),) if self.levels else ()

    def result(self, name: str = "ticket", reused: bool = False) -> RunResult:
        """All that is known, under the name of an experiment.

        Args:
            name: of the experiment.
            reused: whether level 0 was trained before.
        """
        done = f"{self.context.digest} {self._runner.state.method}"
        return RunResult(
            experiment=name,
            trial=self.trial,
            seed=self.context.seed,
            method=sha256(done.encode()).hexdigest(),
            levels=self.levels,
            trunk_reused=reused,
            environment=environment(self.context),
            seconds=sum(level.seconds for level in self.levels),
        )

    def state(self, elsewhere: Rewinds | None = None) -> bytes:
        """All that the experiment has come to; `restore` goes on from it.

        Args:
            elsewhere: weights at rewind points that are saved beside the state, and left out.
        """
        return content_of(self._runner.state.to_file(elsewhere))

    def restore(self, content: bytes | BinaryIO, elsewhere: Rewinds | None = None) -> None:
        """Go on from a checkpoint, or from the trunk that another experiment trained.

        Args:
            content: the bytes, or a file, which must stay open and as it is.
            elsewhere: the weights that were given to `state`.

        Raises:
            CheckpointUnreadable: when another version of the library wrote it.
            SpecError: when it is of another network, seed, training or data.
        """
        self._runner.resume(ExperimentState.from_file(as_file(content), elsewhere))

    def trunk(self) -> bytes:
        """The dense training alone: what another experiment of the trial restores to share it.

        Raises:
            SpecError: when level 0 is not trained yet.
        """
        return content_of(self.trunk_file())

    def trunk_file(self) -> BinaryIO:
        """`trunk` as a temporary file: the weights at rewind points may be more than fits memory.

        Raises:
            SpecError: when level 0 is not trained yet.
        """
        return self._runner.state.dense().to_file()

    def pruning_summary(self) -> str:
        """A table of the prunable layers: what is kept of each."""
        return pruning_summary(layer_table(self._runner.state.masks))

    def _method(
        self, schedule: Any, criterion: Any, reinit: Any, scope: Any, pruned_weights: PrunedWeights
    ) -> Method:
        """What is meant by the arguments of a step or of a whole experiment."""
        pruning = {"criterion": criterion, "schedule": schedule, "scope": scope}
        pruning["pruned_weights"] = pruned_weights
        return valid(Method, {"pruning": pruning, "reinit": reinit}, "")

    def network(self, level: int | None = None) -> keras.Sequential:
        """The network with the weights and masks of a finished level, by default the last one.

        Returns:
            A built `keras.Sequential` of its own, which takes samples as they are in the data set
            and gives logits; to predict with, to save, or to train on.

        Raises:
            SpecError: when that level is not finished.
        """
        shown = finished_level(self.trained_levels, level)
        return keras_network(self.context, shown, self._runner.state.frozen)

    def plot_learning(self, title: str = "") -> Figure:
        """The learning curves of all finished levels."""
        return learning_curves(self.result(), title)

    def plot_weights(self, level: int | None = None, title: str = "") -> Figure:
        """Initial against trained weights of each layer at a level, by default the last one.

        Raises:
            SpecError: when that is not finished.
        """
        shown = finished_level(self.trained_levels, level)
        return weights_picture(self.context, self.initial_weights, shown, title)

    def plot_mask(self, layer: str | None = None, title: str = "") -> Figure:
        """What a layer's mask keeps at the current level, by default the first layer's.

        Raises:
            SpecError: when there is no such layer.
        """
        return layer_mask_picture(self.context, self.masks, layer, title)

    def save_results(self, directory: Path | str) -> tuple[Path, ...]:
        """Write masks, weights, numbers and plots into a directory, which is made if needed."""
        return save_experiment(self, self.result(), Path(directory))
