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
from lth.engine.observer import TrainedLevel
from lth.engine.variables import Weights
from lth.experiment.context import Context, environment
from lth.experiment.provenance import external_members
from lth.experiment.runner import ExperimentRunner
from lth.experiment.state import ExperimentState, Rewinds
from lth.plots import learning_curves, pruning_summary
from lth.pruning.controls import Control
from lth.pruning.masks import Mask
from lth.pruning.pruned_values import PrunedWeights
from lth.reinit import Reinit
from lth.results.layers import layer_table
from lth.results.schemas import EvaluationData, LevelResult, RunResult
from lth.spec.document import Method
from lth.study.files import save_experiment
from lth.study.inspection import finished_level, keras_network, layer_mask_picture, weights_picture
from lth.study.observing import Observing, observing
from lth.study.study import Study
from lth.study.trial import OneTrial


class LotteryModel(OneTrial, Study):
    """One experiment on one network: train, prune, reset, and train again.

    Take the steps one by one (`train`, `prune`, `reinit`), or run a whole experiment (`one_shot`,
    `iterative_pruning`). Criteria, resets, scopes and schedules are given by name, as a dictionary
    of their fields, as a member of their family, or as an object of your own that has the method of
    the family's contract. Criteria and resets can also be functions.

    Examples:
        >>> network = keras.Sequential([Flatten(), LotteryLinear(300, "relu"), LotteryLinear(10)])
        >>> model = LotteryModel(network, "digits", Training(duration="5ep"))
        >>> levels = model.one_shot(sparsity=0.8)
        >>> print(model.pruning_summary())
    """

    def _begin(self, context: Context, trial: int, rewind_points: Collection[int]) -> None:
        super()._begin(context, trial, rewind_points)
        self._runner = ExperimentRunner(context, self._rewind_points)

    # -- the steps ------------------------------------------------------------------------------

    def train(self, observer: Observing = "bar") -> LevelResult:
        """Train the current level to its end, and evaluate it.

        Args:
            observer: "bar" for a progress bar, None for no output, a function of `lth.Progress`, or
                an `lth.Observer`, which also receives finished levels and checkpoints.

        Returns:
            The result of the level.

        Raises:
            SpecError: if the level is already trained; prune it first.
            Diverged: if the loss is not finite.
        """
        with observing(observer) as seeing:
            return self._runner.train(seeing)

    def prune(
        self,
        criterion: Any = "large_final",
        sparsity: float = 0.8,
        scope: Any = "layer",
        pruned_weights: PrunedWeights = "zero",
    ) -> str:
        """Prune the trained level. The next call of `train` trains the next level.

        Args:
            criterion: scores the surviving weights.
            sparsity: share of a layer's weights that is pruned afterwards, in (0, 1), for a layer
                with rate 1. It includes the weights that were pruned before.
            scope: which weights are ranked together, and the rate of each layer.
            pruned_weights: the values of pruned weights.

        Returns:
            The pruning summary.

        Raises:
            SpecError: if the level is not trained, or nothing would be pruned.
        """
        once = {"kind": "one_shot", "sparsity": sparsity}
        self._runner.prune(self._method(once, criterion, "none", scope, pruned_weights).pruning)
        return self.pruning_summary()

    def reinit(self, mode: Any = "rewind") -> None:
        """Reset the surviving weights. Without a reset, they keep their trained values.

        Args:
            mode: the reset.

        Raises:
            SpecError: if nothing was pruned since the last training.
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
        observer: Observing = "bar",
    ) -> tuple[LevelResult, ...]:
        """Train, prune once, reset and train again.

        Args:
            sparsity: share of a layer's weights that is pruned, in (0, 1), for a layer with rate 1.
            criterion: scores the surviving weights.
            reinit: resets the surviving weights before they are trained again.
            scope: which weights are ranked together, and the rate of each layer.
            pruned_weights: the values of pruned weights.
            observer: "bar" for a progress bar, None for no output, a function of `lth.Progress`, or
                an `lth.Observer`, which also receives finished levels and checkpoints.

        Returns:
            The results of levels 0 and 1.
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
        observer: Observing = "bar",
    ) -> tuple[LevelResult, ...]:
        """Train, prune and reset in turn, up to the last level of the schedule.

        Args:
            schedule: the density after each round, such as ``{"kind": "geometric", "fraction": 0.2,
                "rounds": 7}``, with which the papers reach 21 %.
            criterion: scores the surviving weights.
            reinit: resets the surviving weights before they are trained again.
            scope: which weights are ranked together, and the rate of each layer.
            pruned_weights: the values of pruned weights.
            observer: "bar" for a progress bar, None for no output, a function of `lth.Progress`, or
                an `lth.Observer`, which also receives finished levels and checkpoints.

        Returns:
            The results of all levels, from 0.

        Raises:
            SpecError: if the experiment was pruned in another way before. A schedule that continues
                an earlier one is allowed: 7 rounds after 5 of the same fraction add two levels.
        """
        method = self._method(schedule, criterion, reinit, scope, pruned_weights)
        return self.follow(method, observer)

    def follow(self, method: Method, observer: Observing = "bar") -> tuple[LevelResult, ...]:
        """Execute a method up to its last level, from the current state.

        Args:
            method: pruning and reset.
            observer: "bar" for a progress bar, None for no output, a function of `lth.Progress`, or
                an `lth.Observer`, which also receives finished levels and checkpoints.

        Returns:
            The results of all levels, from 0.
        """
        with observing(observer) as seeing:
            self._runner.follow(method, seeing)
        return self.levels

    def follow_control(
        self,
        control: Control,
        ticket_masks: Mapping[int, dict[str, Mask]],
        rewind_point: Duration = START,
        observer: Observing = "bar",
    ) -> tuple[LevelResult, ...]:
        """Train a control of a ticket.

        Args:
            control: the kind of control.
            ticket_masks: masks of the ticket by level, from level 1; bool by layer name.
            rewind_point: rewind point of the ticket.
            observer: "bar" for a progress bar, None for no output, a function of `lth.Progress`, or
                an `lth.Observer`, which also receives finished levels and checkpoints.

        Returns:
            The results of all levels, from 0.
        """
        with observing(observer) as seeing:
            self._runner.follow_control(control, ticket_masks, rewind_point, seeing)
        return self.levels

    # -- results --------------------------------------------------------------------------

    @property
    def levels(self) -> tuple[LevelResult, ...]:
        """The results of the finished levels, from 0."""
        return tuple(level.result for level in self._runner.state.finished)

    @property
    def trained_levels(self) -> tuple[TrainedLevel, ...]:
        """The finished levels with their masks and weights."""
        return tuple(self._runner.state.finished)

    @property
    def masks(self) -> dict[str, Mask]:
        """The masks of the current level, bool by layer name; True = kept."""
        return dict(self._runner.state.masks)

    @property
    def initial_weights(self) -> Weights:
        """The initial weights of level 0, float32 by path."""
        return dict(self._runner.state.rewinds[0])

    @property
    def ticket(self) -> Weights:
        """The weights at the start of the current level, float32 by path; zero where pruned."""
        return dict(self._runner.state.start)

    def __repr__(self) -> str:
        if not self.levels:
            return f"{super().__repr__()[:-1]}; not trained)"
        last = self.levels[-1]
        return f"{super().__repr__()[:-1]}; level {last.level}, {last.density:.2%} kept)"

    @property
    def results(self) -> tuple[RunResult, ...]:
        return (self.result(),) if self.levels else ()

    def result(self, name: str = "ticket", reused: bool = False) -> RunResult:
        """The result of the experiment.

        Args:
            name: the name of the experiment in the result.
            reused: whether level 0 was taken from a trunk.
        """
        data = self.context.data
        method = self._runner.state.method
        external = external_members(method, self.context.packages)
        versions = [f"{each.name} {each.package} {each.version}" for each in external]
        done = " ".join([self.context.digest, method, *(versions if external else ())])
        return RunResult(
            experiment=name,
            trial=self.trial,
            seed=self.context.seed,
            method=sha256(done.encode()).hexdigest(),
            levels=self.levels,
            trunk_reused=reused,
            environment=environment(self.context),
            test_samples=EvaluationData(number=data.test.samples, majority=data.majority),
            external=external,
            seconds=sum(level.seconds for level in self.levels),
        )

    def state(self, elsewhere: Rewinds | None = None) -> bytes:
        """The state of the experiment as bytes; `restore` continues from it.

        Args:
            elsewhere: weights at rewind points that are saved beside the state and left out.
        """
        return content_of(self._runner.state.to_file(elsewhere))

    def restore(self, content: bytes | BinaryIO, elsewhere: Rewinds | None = None) -> None:
        """Continue from a checkpoint, or from the trunk of another experiment.

        Args:
            content: the bytes, or an open file, which must not be changed.
            elsewhere: the weights that were given to `state`.

        Raises:
            CheckpointUnreadable: if another version of the library wrote it.
            SpecError: if it belongs to another network, seed, training or data set.
        """
        self._runner.resume(ExperimentState.from_file(as_file(content), elsewhere))

    def trunk(self) -> bytes:
        """The trunk: the state after level 0. Other experiments can continue from it.

        Raises:
            SpecError: if level 0 is not trained.
        """
        return content_of(self.trunk_file())

    def trunk_file(self) -> BinaryIO:
        """The trunk as a temporary file, for rewind points whose weights do not fit into memory.

        Raises:
            SpecError: if level 0 is not trained.
        """
        return self._runner.state.dense().to_file()

    def pruning_summary(self) -> str:
        """A table of the prunable layers with their kept weights."""
        return pruning_summary(layer_table(self._runner.state.masks))

    def _method(
        self, schedule: Any, criterion: Any, reinit: Any, scope: Any, pruned_weights: PrunedWeights
    ) -> Method:
        """The method that the arguments of a step or of a whole experiment describe."""
        pruning = {"criterion": criterion, "schedule": schedule, "scope": scope}
        pruning["pruned_weights"] = pruned_weights
        return valid(Method, {"pruning": pruning, "reinit": reinit}, "")

    def network(self, level: int | None = None) -> keras.Sequential:
        """The Keras network with the weights and masks of a finished level.

        Use it to predict, to save it, or to train it further.

        Args:
            level: number of the level; None for the last one.

        Returns:
            A built `keras.Sequential` that accepts samples as they are in the data set, and returns
            logits.

        Raises:
            SpecError: if the level is not finished.
        """
        shown = finished_level(self.trained_levels, level)
        return keras_network(self.context, shown, self._runner.state.frozen)

    def plot_learning(self, title: str = "") -> Figure:
        """Plot the learning curves of all finished levels."""
        return learning_curves(self.result(), title)

    def plot_weights(self, level: int | None = None, title: str = "") -> Figure:
        """Plot initial against trained weights of each layer at a level, by default the last one.

        Raises:
            SpecError: if the level is not finished.
        """
        shown = finished_level(self.trained_levels, level)
        return weights_picture(self.context, self.initial_weights, shown, title)

    def plot_mask(self, layer: str | None = None, title: str = "") -> Figure:
        """Plot the mask of a layer at the current level, by default of the first layer.

        Raises:
            SpecError: if there is no such layer.
        """
        return layer_mask_picture(self.context, self.masks, layer, title)

    def save_results(self, directory: Path | str) -> tuple[Path, ...]:
        """Write masks, weights, tables and plots to a directory, which is created if needed.

        Returns:
            The paths of the files.
        """
        return save_experiment(self, self.result(), Path(directory))
