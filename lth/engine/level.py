"""Trains one level: one or more compiled calls from each evaluation point to the next.

`LevelState` is the whole state of the training. Training continues from any state with the bytes of
an undisturbed run, because data order, learning rates and noise follow from the seed and the
position.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from time import monotonic

import numpy as np

from lth.core.disk_arrays import Spill
from lth.core.errors import Diverged
from lth.core.interrupts import delayed_interrupt
from lth.core.seeds import Purpose, generator
from lth.engine.device import DeviceData
from lth.engine.observer import Progress
from lth.engine.program import Program, Totals
from lth.engine.variables import Weights, noise_states
from lth.results.schemas import At, History, Scores
from lth.training.settings import Training

_SECONDS_IN_A_CALL = 0.4
_SECONDS_BETWEEN_REPORTS = 1.0

Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Level:
    """The settings of a level's training.

    Attributes:
        number: number of the level, from 0.
        last: number of the experiment's last level.
        seed: seed of the trial.
        training: batch size, duration and evaluation.
        rates: learning rate of every step of the schedule, float32 [iterations].
        start: first step; greater than 0 after a late rewind.
        snapshots: steps after which the weights are kept for later rewinds.
    """

    number: int
    last: int
    seed: int
    training: Training
    rates: np.ndarray
    start: int = 0
    snapshots: frozenset[int] = frozenset()


@dataclass
class LevelState:
    """The state of a level's training between two compiled calls.

    Attributes:
        iteration: number of finished steps of the schedule.
        weights, slots: variables of the network and of the optimizer at `iteration`.
        totals: training loss and accuracy since the last evaluation point.
        points: the history so far, one entry for each evaluation point.
        best: scores and weights at the minimum of the validation loss.
        kept: the snapshots by step, on disk.
        seconds: time spent so far, in all processes.
    """

    iteration: int
    weights: Weights
    slots: Weights | None = None
    totals: Totals = field(default_factory=Totals)
    points: list["Point"] = field(default_factory=list)
    best: "Best | None" = None
    kept: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def history(self) -> History:
        """The points as columns."""
        return History(
            iterations=tuple(point.iteration for point in self.points),
            train_loss=tuple(point.train_loss for point in self.points),
            train_accuracy=tuple(point.train_accuracy for point in self.points),
            validation_loss=tuple(point.validation.loss for point in self.points),
            validation_accuracy=tuple(point.validation.accuracy for point in self.points),
        )


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluation point."""

    iteration: int
    train_loss: float
    train_accuracy: float
    validation: Scores


@dataclass(frozen=True, slots=True)
class Best:
    """The evaluation point with the lowest validation loss so far."""

    iteration: int
    validation: Scores
    weights: Weights


def begin(level: Level, weights: Weights) -> LevelState:
    """The state before a level's first step."""
    noise = noise_states(weights, level.seed, level.number)
    return LevelState(level.start, {**weights, **noise})


class LevelTraining:
    """A level in training.

    Args:
        level: the settings.
        state: where to start; it is updated.
        program: the compiled network; it must not be used elsewhere until the training ends.
        data: the data set on the device.
        masks: masks of the level, bool by layer name.
        frozen: constant values of pruned weights, float32 by layer name, for a freezing network.
    """

    def __init__(
        self,
        level: Level,
        state: LevelState,
        program: Program,
        data: DeviceData,
        masks: Mapping[str, np.ndarray],
        frozen: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.level, self.state, self._program, self._data = level, state, program, data
        self._batch = level.training.batch_size
        self._per_epoch = level.training.steps_per_epoch(len(data.train))
        self._epoch: _Epoch | None = None
        self._spill = Spill() if level.snapshots else None
        self._between_steps = True
        program.load(state.weights, masks, frozen, state.slots)

    def capture(self) -> LevelState:
        """The state with the current weights and slots, for a checkpoint."""
        self.state.weights, self.state.slots = self._program.weights, self._program.slots
        return self.state

    def stopped(self) -> LevelState | None:
        """The state to continue from, after an exception; None if it was raised within a step."""
        return self.capture() if self._between_steps else None

    def run(self, report: Report, offer: Callable[[], None]) -> None:
        """Train to the end of the level.

        Args:
            report: receives the progress; an exception ends the training.
            offer: is called after each report; `capture` makes a checkpoint there.

        Raises:
            Diverged: if the training loss is not finite.
            KeyboardInterrupt: between two steps.
        """
        with delayed_interrupt() as raise_interrupt:
            self._run(report, offer, raise_interrupt)
        self.capture()

    def _run(
        self, report: Report, offer: Callable[[], None], raise_interrupt: Callable[[], None]
    ) -> None:
        state, end, training = self.state, len(self.level.rates), self.level.training
        began = monotonic() - state.seconds
        reported_at, reported = monotonic(), state.iteration
        self._keep_snapshot()
        while state.iteration < end:
            evaluation = training.next_evaluation(state.iteration, len(self._data.train))
            self._between_steps = False
            self._call(evaluation)
            self._keep_snapshot()
            now = monotonic()
            evaluated = state.iteration == evaluation
            validation = self._evaluate() if evaluated else None
            self._between_steps = True
            state.seconds = monotonic() - began
            raise_interrupt()
            if not evaluated and now - reported_at < _SECONDS_BETWEEN_REPORTS:
                continue
            speed = (state.iteration - reported) * self._batch / max(now - reported_at, 1e-9)
            reported_at, reported = monotonic(), state.iteration
            number, last = self.level.number, self.level.last
            report(Progress(number, last, state.iteration, end, speed, validation))
            if state.iteration < end:
                offer()

    def scores(self) -> tuple[At, At]:
        """Validation and test scores at the early stop and at the end of a finished level."""
        best, last = self.state.best, self.state.points[-1]
        assert best is not None
        final = self._at(last.iteration, last.validation)
        if best.iteration == last.iteration:
            return final, final
        self._program.swap(best.weights)
        return self._at(best.iteration, best.validation), final

    def _call(self, evaluation: int) -> None:
        """Train as many steps as one call may take, at most to the next evaluation point."""
        state = self.state
        number, first = divmod(state.iteration, self._per_epoch)
        if self._epoch is None or self._epoch.number != number:
            self._epoch = self._prepared(number)
        snapshots = [point for point in self.level.snapshots if point > state.iteration]
        target = min(evaluation, (number + 1) * self._per_epoch, *snapshots)
        steps = min(target - state.iteration, self._program.steps_within(_SECONDS_IN_A_CALL))
        epoch = self._epoch
        state.totals = self._program.train(
            self._data, epoch.order, epoch.rates, first, first + steps, state.totals, epoch.noise
        )
        state.iteration += steps
        self._finite(state.totals.loss, "training")

    def _prepared(self, number: int) -> "_Epoch":
        level, begin = self.level, number * self._per_epoch
        rates = np.zeros(self._per_epoch, np.float32)
        own = level.rates[begin : begin + self._per_epoch]
        rates[: len(own)] = own
        noise = generator(level.seed, Purpose.AUGMENTATION, level.number, number)
        order = self._data.order(self._batch, level.seed, level.number, number)
        return _Epoch(number, order, rates, int(noise.integers(2**32)))

    def _evaluate(self) -> Scores:
        """Evaluate on the validation data, and restart the training sums."""
        state, totals = self.state, self.state.totals
        validation = self._program.evaluate(self._data, self._data.validation)
        self._finite(validation.loss, "validation")
        samples = totals.steps * self._batch
        point = Point(
            state.iteration, totals.loss / totals.steps, totals.correct / samples, validation
        )
        state.points.append(point)
        state.totals = Totals()
        if state.best is None or validation.loss < state.best.validation.loss:
            state.best = Best(state.iteration, validation, self._program.weights)
        return validation

    def _finite(self, loss: float, which: str) -> None:
        if not isfinite(loss):
            raise Diverged(
                f"the {which} loss became {loss} at level {self.level.number}, by iteration "
                f"{self.state.iteration}"
            )

    def _keep_snapshot(self) -> None:
        if self._spill is not None and self.state.iteration in self.level.snapshots:
            self.state.kept[self.state.iteration] = self._spill.keep(self._program.weights)

    def _at(self, iteration: int, validation: Scores) -> At:
        test = self._program.evaluate(self._data, self._data.test)
        return At(iteration=iteration, validation=validation, test=test)


@dataclass(frozen=True, slots=True)
class _Epoch:
    """The inputs of the compiled loop for one epoch."""

    number: int
    order: np.ndarray
    rates: np.ndarray
    noise: int
