"""LotterySession: several experiments on the same initial network."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from lth.core.disk_arrays import as_file, content_of
from lth.core.durations import START
from lth.core.errors import SpecError
from lth.core.field_errors import valid
from lth.experiment.context import Context
from lth.experiment.state import ExperimentState
from lth.pruning.masks import Mask
from lth.pruning.methods import Grid, Name
from lth.results.schemas import RunResult
from lth.results.statistics import summarise
from lth.results.summary import Summary
from lth.spec.contradictions import between_experiments
from lth.spec.document import ControlExperiment, Experiment, Ticket
from lth.study.files import save_comparison, save_experiment
from lth.study.model import LotteryModel
from lth.study.observing import Observing, observing
from lth.study.session_state import SessionState
from lth.study.study import Study
from lth.study.trial import OneTrial


class LotterySession(OneTrial, Study):
    """Several experiments on the same initial network. The dense network is trained only once.

    Examples:
        >>> session = LotterySession(network, "digits")
        >>> session.run([
        ...     {"name": "ticket", "reinit": "rewind"},
        ...     {"name": "control", "control": {"kind": "random_weights", "of": "ticket"}},
        ... ])
        >>> session.plot_sparsity()
    """

    def _begin(self, context: Context, trial: int, rewind_points: Collection[int]) -> None:
        super()._begin(context, trial, rewind_points)
        self._trunk: BinaryIO | None = None
        self._models: dict[str, LotteryModel] = {}
        self._reused: set[str] = set()
        self._asked: dict[str, Experiment] = {}

    def __repr__(self) -> str:
        names = ", ".join(self._models) or "none yet"
        return f"{super().__repr__()[:-1]}; experiments: {names})"

    @property
    def trunk(self) -> bytes | None:
        """The dense training that all experiments share; None before it is trained."""
        return None if self._trunk is None else content_of(self._trunk)

    @property
    def controls(self) -> dict[str, str]:
        """The name of the ticket that each control follows, by the name of the control."""
        asked = self._asked.values()
        return {each.name: each.control.of for each in asked if isinstance(each, ControlExperiment)}

    def new_experiment(self, name: str) -> LotteryModel:
        """A new experiment with the session's initial network.

        If the trunk is trained, it starts there.

        Args:
            name: the name of the experiment, which is also a directory name.

        Raises:
            SpecError: if the session already has an experiment with this name, or the name is not
                valid.
        """
        if valid(Name, name, "name") in self._models:
            raise _twice(name)
        model = LotteryModel.under(self.context, self.trial, self._rewind_points)
        self._models[name] = model
        self._share_trunk(name)
        return model

    def reset_network(self, name: str) -> LotteryModel:
        """Set an experiment back to its beginning, and forget its results.

        Raises:
            SpecError: if there is no such experiment, or if controls follow it.
        """
        self.experiment(name)
        followers = [control for control, ticket in self.controls.items() if ticket == name]
        if followers:
            raise SpecError(
                f"'{name}' has controls that follow it: {', '.join(followers)}; reset them before"
            )
        del self._models[name]
        self._asked.pop(name, None)
        return self.new_experiment(name)

    def experiment(self, name: str) -> LotteryModel:
        """The experiment with this name.

        Raises:
            SpecError: if there is none.
        """
        if name not in self._models:
            known = ", ".join(self._models) or "none yet"
            raise SpecError(f"there is no experiment '{name}'; there are: {known}")
        return self._models[name]

    def train_dense(
        self, observer: Observing = "bar", checkpoint: bytes | BinaryIO | None = None
    ) -> bytes:
        """Train the dense network that all experiments share, unless it is already trained.

        Returns:
            The trunk. Experiments of this session and of other sessions can continue from it.
        """
        return content_of(self.dense_training(observer, checkpoint))

    def dense_training(
        self, observer: Observing = "bar", checkpoint: bytes | BinaryIO | None = None
    ) -> BinaryIO:
        """As `train_dense`, with the trunk in a temporary file, which must not be changed.

        Use it if the weights at many rewind points do not fit into memory.
        """
        if self._trunk is None:
            model = LotteryModel.under(self.context, self.trial, self._rewind_points)
            if checkpoint is not None:
                model.restore(checkpoint)
            if not model.levels:
                with observing(observer) as seeing:
                    seeing.experiment_started("dense network", self.trial)
                    model.train(seeing)
            self._trunk = model.trunk_file()
        return self._trunk

    def share(self, trunk: BinaryIO) -> None:
        """Let all experiments continue from this trunk, an open file that must not be changed."""
        self._trunk = trunk

    def run(
        self, experiments: Iterable[Any] = (), observer: Observing = "bar", *, grid: Any = None
    ) -> None:
        """Run experiments. Tickets run before the controls that follow them.

        After an interruption, call it again to continue. Finished experiments are not repeated.

        Args:
            experiments: members of `lth.spec.document.Experiment`, or dictionaries of their fields.
            observer: "bar" for a progress bar, None for no output, a function of `lth.Progress`, or
                an `lth.Observer`.
            grid: adds every combination of a criterion and a reset, as `lth.pruning.methods.Grid`
                or a dictionary of its fields, such as
                ``{"criteria": ["large_final", "random"], "reinit": ["rewind"]}``.

        Raises:
            SpecError: if the experiments contradict each other, or return to a point of the dense
                training whose weights were not kept. Nothing is trained then.
        """
        asked: tuple[Experiment, ...]
        asked = valid(tuple[Experiment, ...], list(experiments), "experiments")
        if grid is not None:
            asked += valid(Grid, grid, "grid").cells
        self._check(asked)
        steps = self.context.steps_per_epoch
        points = {e.reinit.rewind_point.iterations(steps) for e in asked if isinstance(e, Ticket)}
        missing = points - {0, *self._rewind_points}
        if self._trunk is not None and missing:
            raise SpecError(
                f"the dense network was trained without keeping iterations {sorted(missing)}; "
                "give all experiments to one call, or begin a new session"
            )
        self._rewind_points |= points
        with observing(observer) as seeing:
            self.dense_training(seeing)
            for experiment in sorted(asked, key=lambda e: isinstance(e, ControlExperiment)):
                self.carry_out(experiment, seeing)

    def carry_out(
        self,
        experiment: Experiment,
        observer: Observing = "bar",
        *,
        checkpoint: bytes | BinaryIO | None = None,
        ticket: Experiment | None = None,
        ticket_masks: Mapping[int, dict[str, Mask]] | None = None,
    ) -> RunResult:
        """Run one experiment up to its last level.

        Args:
            experiment: the experiment.
            observer: as in `run`; an `lth.Observer` also receives checkpoints.
            checkpoint: the last checkpoint of an interrupted attempt.
            ticket: the experiment that a control follows; by default from this session.
            ticket_masks: the masks of that ticket by level; by default from this session.
        """
        name = experiment.name
        self._check_new(experiment)
        model = self._models.get(name) or self.new_experiment(name)
        self._asked[name] = experiment
        if checkpoint is not None:
            model.restore(checkpoint)
        self._share_trunk(name)
        with observing(observer) as seeing:
            seeing.experiment_started(name, self.trial)
            if isinstance(experiment, ControlExperiment):
                of = experiment.control.of
                followed = ticket or self._asked.get(of)
                point = followed.reinit.rewind_point if isinstance(followed, Ticket) else START
                masks = ticket_masks or self._masks_of(of)
                model.follow_control(experiment.control, masks, point, seeing)
            else:
                model.follow(experiment, seeing)
        if self._trunk is None:
            self._trunk = model.trunk_file()
        return self.result(name)

    def get_summary(self) -> Summary:
        """The metrics of every experiment at every level, as a table if printed.

        Experiments are compared with the dense network and with their controls.
        """
        return summarise(self.results, self.controls)

    def result(self, name: str) -> RunResult:
        """The result of an experiment."""
        return self.experiment(name).result(name, name in self._reused)

    @property
    def results(self) -> tuple[RunResult, ...]:
        """The results of all experiments that have trained, in the order in which they began."""
        return tuple(self.result(name) for name, model in self._models.items() if model.levels)

    def state(self) -> bytes:
        """The state of the session as bytes; `restore` continues from it."""
        trunk = self._trunk
        kept = {} if trunk is None else ExperimentState.from_file(trunk).rewinds
        models = {name: model.state(kept) for name, model in self._models.items()}
        reused, points = frozenset(self._reused), self._rewind_points
        return SessionState(self.trunk, models, self._asked, reused, points).to_bytes()

    def restore(self, content: bytes) -> None:
        """Continue from the state of another session. It replaces the experiments of this session.

        Raises:
            CheckpointUnreadable: if it is not a saved state, or another version of the library
                wrote it.
            SpecError: if it belongs to another network, seed, trial, training or data set. The
                session is unchanged then.
        """
        state = SessionState.from_bytes(content)
        points = self._rewind_points | state.rewind_points
        trunk = None if state.trunk is None else as_file(state.trunk)
        kept = {} if trunk is None else ExperimentState.from_file(trunk).rewinds

        def restored(checkpoint: bytes | BinaryIO) -> LotteryModel:
            model = LotteryModel.under(self.context, self.trial, points)
            model.restore(checkpoint, kept)
            return model

        models = {name: restored(checkpoint) for name, checkpoint in state.models.items()}
        if trunk is not None:
            restored(trunk)
        self._trunk, self._models, self._rewind_points = trunk, models, points
        self._asked, self._reused = dict(state.asked), set(state.reused)

    def save_results(self, directory: Path | str) -> tuple[Path, ...]:
        """Write the files of each experiment to its directory, and the comparison."""
        root, paths = Path(directory), []
        for result in self.results:
            name = result.experiment
            paths += save_experiment(self.experiment(name), result, root / name, title=name)
        return (*paths, *save_comparison(self, root))

    def _share_trunk(self, name: str) -> None:
        """Let an experiment that has not trained continue from the trunk."""
        if self._trunk is not None and not self._models[name].levels:
            self._models[name].restore(self._trunk)
            self._reused.add(name)

    def _check_new(self, experiment: Experiment) -> None:
        """Check that the name does not belong to an experiment with other settings."""
        name = experiment.name
        model, asked = self._models.get(name), self._asked.get(name)
        begun = model is not None and not all(mask.all() for mask in model.masks.values())
        if asked != experiment and (asked or begun) and not _extends(experiment, asked):
            raise _twice(name)

    def _check(self, asked: tuple[Experiment, ...]) -> None:
        """Check that the experiments contradict neither each other nor earlier ones."""
        for experiment in asked:
            self._check_new(experiment)
        new = [experiment for experiment in asked if experiment.name not in self._asked]
        training, samples = self.context.training, len(self.context.data.train)
        for wrong in between_experiments((*self._asked.values(), *new), None, training, samples):
            raise SpecError(wrong.message)

    def _masks_of(self, ticket: str) -> dict[int, dict[str, Mask]]:
        levels = self.experiment(ticket).trained_levels
        return {level.result.level: level.masks for level in levels[1:]}


def _extends(experiment: Experiment, earlier: Experiment | None) -> bool:
    """Whether a ticket differs from an earlier one only in a longer schedule."""
    return (
        isinstance(experiment, Ticket)
        and isinstance(earlier, Ticket)
        and experiment.extends(earlier)
    )


def _twice(name: str) -> SpecError:
    return SpecError(
        f"there is an experiment '{name}' already; reset_network('{name}') begins it anew"
    )
