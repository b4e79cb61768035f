"""Runs one experiment: its state, and the steps that change it."""

import json
from collections.abc import Callable, Mapping
from copy import copy
from typing import BinaryIO

import numpy as np

from lth.core.durations import Duration
from lth.core.errors import SpecError
from lth.core.external import readable
from lth.core.seeds import Purpose, generator
from lth.engine.level import Level, LevelTraining, begin
from lth.engine.observer import Observer, TrainedLevel
from lth.engine.variables import Weights
from lth.experiment.context import Context
from lth.experiment.state import ExperimentState, level_result
from lth.experiment.untrained import untrained_scores
from lth.pruning.controls import Control, RandomWeights
from lth.pruning.criteria import CriterionContract
from lth.pruning.masks import Mask, PrunableLayer, all_kept, density, prune
from lth.pruning.pruned_values import PrunedWeights, pruned_values
from lth.pruning.schedules import Once, ScheduleContract
from lth.pruning.scopes import ScopeContract
from lth.reinit import KernelState, NoReset, Random, Reinit, ReinitContract, Rewind
from lth.results.schemas import LevelResult
from lth.spec.document import Method, Pruning, canonical


class ExperimentRunner:
    """Runs one experiment in a context; `state` holds its progress.

    Args:
        context: network, data, training and seed.
        rewind_points: steps of level 0 whose weights are kept for late resets.
    """

    def __init__(self, context: Context, rewind_points: frozenset[int]) -> None:
        self.context = context
        self.rewind_points = rewind_points
        initial = context.initial_weights
        masks = all_kept(self._layers(initial, initial))
        self.state = ExperimentState(0, masks, initial, rewinds={0: initial}, origin=context.origin)
        self._last_level = 0

    def resume(self, state: ExperimentState) -> None:
        """Continue from a state of this experiment, or of another experiment of the same trial.

        Raises:
            SpecError: if the state belongs to another network, seed, training or data set.
        """
        state.check_began_as(self.state)
        self.state = state

    def train(self, observer: Observer) -> LevelResult:
        """Train the current level to its end, and evaluate it.

        After an exception of the observer or a KeyboardInterrupt, the next call continues from the
        step that was reached.

        Raises:
            SpecError: if the level is already trained.
            Diverged: if the loss is not finite.
        """
        state, data = self.state, self.context.data
        if state.trained:
            raise SpecError(f"level {state.level} is trained already; call prune() and reinit()")
        level, untrained = self._level(), None
        if state.level > 0:
            untrained = untrained_scores(self.context, state.start, state.masks, state.frozen)
        current = state.current = state.current or begin(level, state.start)
        program = self.context.program(freezing=state.frozen is not None)
        training = LevelTraining(level, current, program, data, state.masks, state.frozen)

        def snapshot() -> BinaryIO:
            training.capture()
            return state.to_file()

        try:
            training.run(observer.progress, lambda: observer.checkpoint(snapshot))
        except BaseException:
            state.current = training.stopped()
            raise
        result = level_result(level, current, state.masks, training.scores(), untrained)
        state.rewinds |= current.kept
        trained = TrainedLevel(result, state.masks, current.weights)
        state.finished.append(trained)
        state.current = None
        observer.level_finished(trained)
        observer.checkpoint(state.to_file)
        return result

    def pruned(
        self, criterion: CriterionContract, schedule: ScheduleContract, scope: ScopeContract
    ) -> dict[str, Mask]:
        """The masks of the next level, from the training of the current one.

        Raises:
            SpecError: if the current level is not trained.
        """
        state = self.state
        if not state.trained:
            raise SpecError(f"level {state.level} is not trained yet; call train() first")
        gradients = self._gradients() if criterion.needs_gradient else None
        layers = self._layers(state.start, state.finished[-1].weights, gradients)
        level, seed = state.level + 1, self.context.seed
        return prune(layers, state.masks, criterion, schedule, scope, level, seed)

    def prune(self, pruning: Pruning) -> None:
        """Prune the current level once, with a schedule of one round.

        Raises:
            SpecError: if the current level is not trained, or nothing would be pruned.
        """
        pruning = self.context.papers.pruning(pruning)
        schedule = Once(pruning.schedule, self.state.level + 1)
        before = self.state.masks
        masks = self.pruned(pruning.criterion, schedule, pruning.scope)
        if all(np.array_equal(masks[name], kept) for name, kept in before.items()):
            asked, pruned = 1 - pruning.schedule.densities(1.0)[0], 1 - density(before)
            said = f"{pruned:.4g} of all weights are pruned already; give a larger one"
            raise SpecError(f"a sparsity of {asked:.4g} prunes nothing more: {said}")
        self.enter(masks, pruning.pruned_weights)
        self.state.method += f" by hand: {canonical(pruning)}"

    def reset(self, reinit: Reinit) -> None:
        """Reset the surviving weights.

        Raises:
            SpecError: if nothing was pruned since the last training, or the weights of the rewind
                point were not kept.
        """
        state = self.state
        if state.trained or state.level == 0:
            raise SpecError("there is nothing to reset: call prune() after train()")
        self.restart(reinit)
        state.method += f" by hand: {canonical(reinit)}"

    def enter(self, masks: dict[str, Mask], pruned_weights: PrunedWeights = "zero") -> None:
        """Begin the next level with these masks and the trained weights."""
        state = self.state
        trained = state.finished[-1].weights
        if pruned_weights != "zero":
            before = state.frozen or {}
            state.frozen = {
                place.name: pruned_values(
                    pruned_weights,
                    state.start[place.kernel] + before.get(place.name, np.float32(0)),
                    trained[place.kernel] + before.get(place.name, np.float32(0)),
                    masks[place.name],
                )
                for place in self.context.places
            }
        state.level, state.masks = state.level + 1, masks
        state.start = self._masked(trained)
        state.reset = NoReset(kind="none")

    def restart(self, reinit: ReinitContract) -> None:
        """Reset the surviving weights, and everything else that the reset restores.

        Raises:
            SpecError: if the weights of the rewind point were not kept.
        """
        state, context = self.state, self.context
        step = self._step_of(reinit)
        self._check_kept(step)
        state.reset = reinit
        point, trained = state.rewinds[step], state.finished[-1].weights
        weights = dict(point if reinit.restores else trained)
        for number, place in enumerate(context.places):
            kernel = KernelState(
                rewind=point[place.kernel],
                trained=trained[place.kernel],
                fresh=context.blueprint.fresh_kernel(place, context.seed, state.level),
                mask=state.masks[place.name],
                stddev=float(np.std(context.initial_weights[place.kernel])),
            )
            rng = generator(context.seed, Purpose.REINIT, state.level, number)
            weights[place.kernel] = reinit.reset(kernel, rng)
        state.start, state.current = self._masked(weights), None

    def follow(self, method: Method, observer: Observer) -> None:
        """Execute a method up to its last level, from the current state.

        Raises:
            SpecError: if the network was pruned before, and not with this method or with a shorter
                schedule of it.
        """
        pruning = self.context.papers.pruning(method.pruning)
        earlier = _method(self.state.method)
        if earlier and Method(pruning=pruning, reinit=method.reinit).extends(earlier):
            self.state.method = _text(pruning, method.reinit)
        self._begin(_text(pruning, method.reinit))
        how = pruning.criterion, pruning.schedule, pruning.scope
        rounds, values = len(pruning.schedule.densities(1.0)), pruning.pruned_weights
        self._carry_out(rounds, lambda _: self.pruned(*how), method.reinit, values, observer)

    def follow_control(
        self,
        control: Control,
        ticket_masks: Mapping[int, dict[str, Mask]],
        rewind_point: Duration,
        observer: Observer,
    ) -> None:
        """Train a control of a ticket.

        Args:
            control: the kind of control.
            ticket_masks: masks of the ticket by level, from level 1; bool by layer name.
            rewind_point: rewind point of the ticket; controls with new random weights ignore it.
            observer: receives progress and checkpoints.
        """
        seed = self.context.seed
        self._begin(f"{canonical(control)} {rewind_point}")

        def next_masks(level: int) -> dict[str, Mask]:
            # The same stream at every level, so that the masks of a control are nested.
            return control.masks(ticket_masks[level], generator(seed, Purpose.CONTROL))

        fresh = isinstance(control, RandomWeights)
        reinit = Random(kind="random") if fresh else Rewind(kind="rewind", to=rewind_point)
        self._carry_out(max(ticket_masks), next_masks, reinit, "zero", observer)

    def _begin(self, method: str) -> None:
        """Check that no other method has pruned the network before."""
        state = self.state
        if state.level > 0 and state.method != method:
            raise SpecError(
                f"the network was pruned in another way before, and is at level {state.level}; "
                "begin a new LotteryModel, or a new_experiment of a session"
            )
        state.method = method

    def _carry_out(
        self,
        rounds: int,
        next_masks: Callable[[int], dict[str, Mask]],
        reinit: ReinitContract,
        pruned_weights: PrunedWeights,
        observer: Observer,
    ) -> None:
        training, step = self.context.training, self._step_of(reinit)
        training.check_point(reinit.rewind_point, len(self.context.data.train))
        self._last_level = rounds
        self.rewind_points |= {step}
        if self.state.reset == reinit:  # One that was read from a checkpoint may have no code.
            self.state.reset = reinit
        if self.state.trained:
            observer.level_restored(self.state.finished[-1])
        while True:
            if not self.state.trained:
                self.train(observer)
            if self.state.level == rounds:
                return
            before = copy(self.state)
            try:
                self.enter(next_masks(before.level + 1), pruned_weights)
                self.restart(reinit)
            except BaseException:
                self.state = before  # Change both at once, so that no state is between two levels.
                raise

    def _level(self) -> Level:
        """The training of the current level."""
        number, training = self.state.level, self.context.training
        rates, start = training.learning_rates(len(self.context.data.train)), 0
        if number > 0:
            reset = self.state.reset
            start = self._step_of(reset)
            rates = np.concatenate([rates[:start], reset.learning_rates(rates[start:])])
        snapshots = self.rewind_points if number == 0 else frozenset()
        last = max(self._last_level, number)
        return Level(number, last, self.context.seed, training, rates, start, snapshots)

    def _gradients(self) -> Weights:
        """Gradients of the training loss by kernel, at the start of the level."""
        state = self.state
        program = self.context.program(freezing=state.frozen is not None)
        program.load(state.start, state.masks, state.frozen)
        return program.gradients(self.context.data)

    def _layers(
        self, initial: Weights, final: Weights, gradients: Weights | None = None
    ) -> list[PrunableLayer]:
        return [
            PrunableLayer(
                place.name,
                place.role,
                initial[place.kernel],
                final[place.kernel],
                None if gradients is None else gradients[place.kernel],
            )
            for place in self.context.places
        ]

    def _masked(self, weights: Weights) -> Weights:
        masks = self.state.masks
        kernels = {p.kernel: weights[p.kernel] * masks[p.name] for p in self.context.places}
        return {**weights, **kernels}

    def _check_kept(self, step: int) -> None:
        kept = self.state.rewinds
        if step not in kept:
            raise SpecError(
                f"the weights of iteration {step} were not kept, only those of {sorted(kept)}; "
                "name it in keep_weights_at before level 0 is trained"
            )

    def _step_of(self, reinit: ReinitContract) -> int:
        return reinit.rewind_point.iterations(self.context.steps_per_epoch)


def _text(pruning: Pruning, reinit: Reinit) -> str:
    """The method of an experiment as text."""
    return f"{canonical(pruning)} {canonical(reinit)}"


def _method(text: str) -> Method | None:
    """The opposite of `_text`; None for single steps and for controls."""
    try:
        pruning, end = json.JSONDecoder().raw_decode(text)
        with readable():
            return Method.model_validate({"pruning": pruning, "reinit": json.loads(text[end:])})
    except ValueError:
        return None
