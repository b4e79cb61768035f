"""LotteryModel: one experiment on one network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import keras
from matplotlib.figure import Figure
from pydantic import TypeAdapter

from lth.conditions import Conditions, environment
from lth.controls import Control
from lth.criteria import Criterion
from lth.durations import Duration
from lth.engine.network import Weights
from lth.errors import SpecError
from lth.experiment import ExperimentAtWork, layer_table
from lth.files import experiment_files, save
from lth.masks import Mask
from lth.plots import learning_curves, mask_picture, pruning_summary, weights_scatter
from lth.progress import ExperimentState, TrainedLevel
from lth.reinit import Reinit
from lth.results import LevelResult, RunResult
from lth.running import Observer, Silent
from lth.schedules import OneShot
from lth.scopes import Scope
from lth.spec import Method
from lth.training import Training

_CRITERION: TypeAdapter[Any] = TypeAdapter(Criterion)
_REINIT: TypeAdapter[Any] = TypeAdapter(Reinit)
_SCOPE: TypeAdapter[Any] = TypeAdapter(Scope)


class LotteryModel:
    """One experiment on one network: train, prune, reset, and train again.

    The steps can be taken one by one (`train`, `prune`, `reinit`), or all at once (`one_shot`,
    `iterative_pruning`). Whatever is named by a string or a dictionary, such as a criterion, may
    also be a member of its family.

    Args:
        network: an unbuilt `keras.Sequential` of lottery layers, mixed freely with Keras' own.
        dataset: a name such as "digits" or "mnist", or a member of `lth.datasets.Dataset`.
        training: optimizer, batches and length of each level.
        seed: everything random follows from it and from `trial`.
        trial: from 1; each has a seed of its own.
        datasets_dir: where data sets are looked up as ``NAME.npz``.
        output_layer: name of the output layer; by default the last lottery layer is.
        keep_weights_at: points of level 0, such as "500it", that a later reset may return to;
            `one_shot` and `iterative_pruning` keep what their own reset needs.

    Raises:
        NothingToPrune: when the network has no lottery layer.
        DatasetMissing: when the data cannot be had.

    Example:
        >>> network = keras.Sequential([Flatten(), LotteryLinear(300, "relu"), LotteryLinear(10)])
        >>> model = LotteryModel(network, "digits", Training(duration="5ep"))
        >>> levels = model.one_shot(sparsity=0.8)
        >>> print(model.pruning_summary())
    """

    def __init__(
        self,
        network: keras.Sequential,
        dataset: Any = "digits",
        training: Training | None = None,
        *,
        seed: int = 0,
        trial: int = 1,
        datasets_dir: Path | None = None,
        output_layer: str | None = None,
        keep_weights_at: Sequence[str] = (),
    ) -> None:
        conditions = Conditions.of_network(
            network, dataset, training or Training(), seed, trial, datasets_dir, output_layer
        )
        per_epoch = conditions.training.steps_per_epoch(len(conditions.data.train))
        points = {Duration.parse(point).iterations(per_epoch) for point in keep_weights_at}
        self._at_work = ExperimentAtWork(conditions, frozenset(points))

    @classmethod
    def under(cls, conditions: Conditions, rewind_points: Sequence[int] = ()) -> Self:
        """A new experiment under conditions that it shares with others.

        Args:
            conditions: network, data, training and seed.
            rewind_points: steps of level 0 whose weights are kept for late resets.
        """
        model = cls.__new__(cls)
        model._at_work = ExperimentAtWork(conditions, frozenset(rewind_points))
        return model

    # -- the steps ------------------------------------------------------------------------------

    def train(self, observer: Observer | None = None) -> LevelResult:
        """Train the current level to its end, and score it.

        Raises:
            SpecError: when the level is trained already; prune it first.
            Diverged: when the loss is no longer finite.
        """
        return self._at_work.train(observer or Silent())

    def prune(
        self, criterion: Any = "large_final", sparsity: float = 0.8, scope: Any = "layer"
    ) -> str:
        """Prune the trained level: from here on the next level is meant.

        Args:
            criterion: which weights stay.
            sparsity: share of a layer's weights that is pruned afterwards, at a rate of 1. What
                was pruned before counts, and stays pruned.
            scope: who competes with whom, and each layer's rate.

        Returns:
            The pruning summary.

        Raises:
            SpecError: when the level is not trained yet.
        """
        once = OneShot(kind="one_shot", sparsity=sparsity)
        schedule = _Cumulative(once, self._at_work.state.level + 1)
        masks = self._at_work.pruned(
            _CRITERION.validate_python(criterion), schedule, _SCOPE.validate_python(scope)
        )
        self._at_work.enter(masks)
        return self.pruning_summary()

    def reinit(self, mode: Any = "rewind") -> None:
        """Reset the survivors before they are trained again; without it they stay as trained.

        Args:
            mode: what they become.

        Raises:
            SpecError: when nothing was pruned since the last training.
        """
        state = self._at_work.state
        if state.trained or state.level == 0:
            raise SpecError("there is nothing to reset: call prune() after train()")
        self._at_work.restart(_REINIT.validate_python(mode))

    # -- whole experiments ----------------------------------------------------------------------

    def one_shot(
        self,
        sparsity: float = 0.8,
        criterion: Any = "large_final",
        reinit: Any = "rewind",
        scope: Any = "layer",
        observer: Observer | None = None,
    ) -> tuple[LevelResult, ...]:
        """Train, prune once, reset and train again."""
        schedule = OneShot(kind="one_shot", sparsity=sparsity)
        return self.iterative_pruning(schedule, criterion, reinit, scope, observer)

    def iterative_pruning(
        self,
        schedule: Any,
        criterion: Any = "large_final",
        reinit: Any = "rewind",
        scope: Any = "layer",
        observer: Observer | None = None,
    ) -> tuple[LevelResult, ...]:
        """Train, prune, reset, and so on, to the schedule's last level."""
        pruning = {"criterion": criterion, "schedule": schedule, "scope": scope}
        return self.follow(Method.model_validate({"pruning": pruning, "reinit": reinit}), observer)

    def follow(self, method: Method, observer: Observer | None = None) -> tuple[LevelResult, ...]:
        """Carry a method out to its last level, from wherever the experiment is.

        Args:
            method: pruning and reset.
            observer: told of progress and offered checkpoints.

        Returns:
            What is known of each level.
        """
        self._at_work.follow(method, observer or Silent())
        return self.levels

    def follow_control(
        self,
        control: Control,
        ticket_masks: Mapping[int, dict[str, Mask]],
        observer: Observer | None = None,
    ) -> tuple[LevelResult, ...]:
        """Train what must lose if the ticket is special.

        Args:
            control: what is different from the ticket.
            ticket_masks: the ticket's, by level from 1.
            observer: told of progress and offered checkpoints.
        """
        self._at_work.follow_control(control, ticket_masks, observer or Silent())
        return self.levels

    # -- what is known --------------------------------------------------------------------------

    @property
    def conditions(self) -> Conditions:
        """Network, data, training and seed."""
        return self._at_work.conditions

    @property
    def levels(self) -> tuple[LevelResult, ...]:
        """What is known of the finished levels, from 0."""
        return tuple(level.result for level in self._at_work.state.finished)

    @property
    def trained_levels(self) -> tuple[TrainedLevel, ...]:
        """The finished levels with their masks and weights."""
        return tuple(self._at_work.state.finished)

    @property
    def masks(self) -> dict[str, Mask]:
        """Of the current level, bool by layer name; True = kept."""
        return dict(self._at_work.state.masks)

    @property
    def initial_weights(self) -> Weights:
        """What level 0 started from, float32 by path."""
        return dict(self._at_work.state.rewinds[0])

    @property
    def ticket(self) -> Weights:
        """What the current level's training starts from, float32 by path; zero where pruned."""
        return dict(self._at_work.state.start)

    def result(
        self, name: str = "ticket", trial: int = 1, method: str = "", reused: bool = False
    ) -> RunResult:
        """All that is known, under the name of an experiment.

        Args:
            name: of the experiment.
            trial: whose seed was used.
            method: digest of all that was done but for the seed.
            reused: whether level 0 was trained before.
        """
        return RunResult(
            experiment=name,
            trial=trial,
            seed=self.conditions.seed,
            method=method,
            levels=self.levels,
            trunk_reused=reused,
            environment=environment(self.conditions),
            seconds=sum(level.seconds for level in self.levels),
        )

    def state(self) -> bytes:
        """All that the experiment has come to; `restore` goes on from it."""
        return self._at_work.state.to_bytes()

    def restore(self, content: bytes) -> None:
        """Go on from a checkpoint, or from the trunk that another experiment trained."""
        self._at_work.state = ExperimentState.from_bytes(content)

    def pruning_summary(self) -> str:
        """A table of the prunable layers: what is kept of each."""
        return pruning_summary(layer_table(self._at_work.state.masks))

    def plot_learning(self, title: str = "") -> Figure:
        """The learning curves of all finished levels."""
        return learning_curves(self.result(), title)

    def plot_weights(self, level: int | None = None, title: str = "") -> Figure:
        """Initial against trained weights of each layer at a level, by default the last one."""
        shown = self.trained_levels[-1 if level is None else level]
        title = " · ".join(filter(None, [title, f"level {shown.result.level}"]))
        kernels = {place.name: place.kernel for place in self.conditions.places}
        return weights_scatter(
            {name: self.initial_weights[kernel] for name, kernel in kernels.items()},
            {name: shown.weights[kernel] for name, kernel in kernels.items()},
            shown.masks,
            title,
        )

    def plot_mask(self, layer: str | None = None, title: str = "") -> Figure:
        """What a layer's mask keeps, by default the first layer's."""
        first = self.conditions.places[0].name
        shape = self.conditions.blueprint.shape if layer in (None, first) else ()
        name = layer or first
        return mask_picture(self.masks[name], input_shape=shape, layer=name, title=title)

    def save_results(self, directory: Path | str) -> tuple[Path, ...]:
        """Write masks, weights, report and plots into a directory, which is made if needed."""
        return save(experiment_files(self, self.result(), {}, "", "png_svg"), Path(directory))


class _Cumulative:
    """A schedule that reaches one sparsity at the round that is to be done now."""

    def __init__(self, once: OneShot, rounds: int) -> None:
        self._once, self._rounds = once, rounds

    def densities(self, rate: float) -> tuple[float, ...]:
        return self._once.densities(rate) * self._rounds
