"""LotterySession: several experiments on the same initial network."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import keras
from matplotlib.figure import Figure
from pydantic import TypeAdapter

from lth.conditions import Conditions
from lth.errors import SpecError
from lth.files import comparison_files, experiment_files, save
from lth.masks import Mask
from lth.model import LotteryModel
from lth.plots import accuracy_by_density, compare_learning
from lth.results import RunResult
from lth.running import Observer, Silent
from lth.spec import ControlExperiment, Experiment, Ticket, canonical
from lth.training import Training

_EXPERIMENTS: TypeAdapter[Any] = TypeAdapter(tuple[Experiment, ...])


class LotterySession:
    """Several experiments on the same initial network, which is trained dense only once.

    Args:
        network: an unbuilt `keras.Sequential` of lottery layers, mixed freely with Keras' own.
        dataset: a name such as "digits", or a member of `lth.datasets.Dataset`.
        training: optimizer, batches and length of each level.
        seed: everything random follows from it and from `trial`.
        trial: from 1; each has a seed of its own.
        datasets_dir: where data sets are looked up as ``NAME.npz``.
        output_layer: name of the output layer; by default the last lottery layer is.

    Example:
        >>> session = LotterySession(network, "digits")
        >>> session.run([
        ...     {"name": "ticket", "reinit": "rewind"},
        ...     {"name": "control", "control": {"kind": "random_weights", "of": "ticket"}},
        ... ])
        >>> session.plot_sparsity()
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
    ) -> None:
        conditions = Conditions.of_network(
            network, dataset, training or Training(), seed, trial, datasets_dir, output_layer
        )
        self._begin(conditions, trial, ())

    @classmethod
    def under(cls, conditions: Conditions, trial: int, rewind_points: Sequence[int]) -> Self:
        """A session under conditions that are there already.

        Args:
            conditions: network, data, training and seed.
            trial: whose seed it is.
            rewind_points: steps of the dense training whose weights some reset returns to.
        """
        session = cls.__new__(cls)
        session._begin(conditions, trial, rewind_points)
        return session

    def _begin(self, conditions: Conditions, trial: int, rewind_points: Sequence[int]) -> None:
        self.conditions = conditions
        self.trial = trial
        self.trunk: bytes | None = None
        self._rewind_points = tuple(rewind_points)
        self._models: dict[str, LotteryModel] = {}
        self._reused: set[str] = set()
        self._methods: dict[str, str] = {}

    def new_experiment(self, name: str) -> LotteryModel:
        """A model with the session's initial network; trained dense already, if one was before.

        Raises:
            SpecError: when the session has an experiment of that name.
        """
        if name in self._models:
            raise SpecError(
                f"there is an experiment '{name}' already; reset_network('{name}') begins it anew"
            )
        model = LotteryModel.under(self.conditions, self._rewind_points)
        if self.trunk is not None:
            model.restore(self.trunk)
            self._reused.add(name)
        self._models[name] = model
        return model

    def reset_network(self, name: str) -> LotteryModel:
        """Put an experiment's network back to the initial weights, and forget what it did.

        Raises:
            SpecError: when there is no such experiment.
        """
        self.experiment(name)
        del self._models[name]
        self._reused.discard(name)
        return self.new_experiment(name)

    def experiment(self, name: str) -> LotteryModel:
        """The experiment of that name.

        Raises:
            SpecError: when there is none.
        """
        if name not in self._models:
            known = ", ".join(self._models) or "none yet"
            raise SpecError(f"there is no experiment '{name}'; there are: {known}")
        return self._models[name]

    def train_dense(
        self, observer: Observer | None = None, checkpoint: bytes | None = None
    ) -> bytes:
        """Train the dense network that all experiments share, unless that is done.

        Returns:
            The trunk, from which experiments of this or another session go on.
        """
        if self.trunk is None:
            model = LotteryModel.under(self.conditions, self._rewind_points)
            if checkpoint is not None:
                model.restore(checkpoint)
            if not model.levels:
                model.train(observer)
            self.trunk = model.state()
        return self.trunk

    def run(self, experiments: Iterable[Any], observer: Observer | None = None) -> None:
        """Carry experiments out, tickets before the controls that follow them.

        Args:
            experiments: members of `lth.spec.Experiment`, or dictionaries of their fields.
            observer: told of progress.
        """
        asked: tuple[Experiment, ...] = _EXPERIMENTS.validate_python(tuple(experiments))
        steps = self.conditions.training.steps_per_epoch(len(self.conditions.data.train))
        points = {e.reinit.rewind_point.iterations(steps) for e in asked if isinstance(e, Ticket)}
        missing = points - {0, *self._rewind_points}
        if self.trunk is not None and missing:
            raise SpecError(
                f"the dense network was trained without keeping iterations {sorted(missing)}; "
                "give all experiments to one call, or begin a new session"
            )
        self._rewind_points = tuple(sorted({*self._rewind_points, *points}))
        self.train_dense(observer)
        for experiment in sorted(asked, key=lambda e: isinstance(e, ControlExperiment)):
            self.carry_out(experiment, observer)

    def carry_out(
        self,
        experiment: Experiment,
        observer: Observer | None = None,
        *,
        checkpoint: bytes | None = None,
        ticket_masks: Mapping[int, dict[str, Mask]] | None = None,
    ) -> RunResult:
        """Carry one experiment out to its last level.

        Args:
            experiment: what to do.
            observer: told of progress and offered checkpoints.
            checkpoint: where an interrupted attempt had come to.
            ticket_masks: for a control, the masks by level; by default those of the session's own
                ticket.
        """
        model = self.new_experiment(experiment.name)
        self._methods[experiment.name] = self._digest(experiment)
        if checkpoint is not None:
            model.restore(checkpoint)
        observer = observer or Silent()
        if not model.levels:
            model.train(observer)
        if self.trunk is None and len(model.levels) == 1:
            self.trunk = model.state()
        if isinstance(experiment, ControlExperiment):
            masks = ticket_masks or self._masks_of(experiment.control.of)
            model.follow_control(experiment.control, masks, observer)
        else:
            model.follow(experiment, observer)
        return self.result(experiment.name)

    def result(self, name: str) -> RunResult:
        """What is known of an experiment."""
        model, method = self.experiment(name), self._methods.get(name, "")
        return model.result(name, self.trial, method, name in self._reused)

    @property
    def results(self) -> tuple[RunResult, ...]:
        """What is known of every experiment, in the order in which they were begun."""
        return tuple(self.result(name) for name in self._models)

    def plot_learning(self, title: str = "") -> Figure:
        """The experiments' learning curves at their last level, beside the dense network's."""
        return compare_learning(self.results, title=title)

    def plot_sparsity(self, title: str = "") -> Figure:
        """Accuracy and early-stop iteration of every experiment against density."""
        return accuracy_by_density(self.results, title=title)

    def save_results(self, directory: Path | str) -> tuple[Path, ...]:
        """Write every experiment's files into a folder of its name, and what compares them."""
        root, paths = Path(directory), []
        for name, model in self._models.items():
            files = experiment_files(model, self.result(name), {}, name, "png_svg")
            paths += save(files, root / name)
        return (*paths, *save(comparison_files(self.results, {}, (), "", "png_svg"), root))

    def _digest(self, experiment: Experiment) -> str:
        """SHA-256 (hex) of all that an experiment depends on but for the seed."""
        shared = self.conditions
        said = (canonical(experiment), canonical(shared.training), shared.blueprint.key)
        return sha256("\n".join((*said, shared.data.digest)).encode()).hexdigest()

    def _masks_of(self, ticket: str) -> dict[int, dict[str, Mask]]:
        levels = self.experiment(ticket).trained_levels
        return {level.result.level: level.masks for level in levels[1:]}
