"""A network and its optimizer as compiled functions that run many steps in one call.

A program has variables, but no experiment: its user writes weights and masks, calls it, and reads
weights. Programs are cached in the process, and shared by all experiments with the same network and
optimizer.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lth.engine.augmentation import augmented
from lth.engine.device import DeviceData, Split, have_sums_in_one_order, on_cpu
from lth.engine.keras_defaults import keras_defaults
from lth.engine.network import Blueprint, PrunablePlace, prunable
from lth.engine.scoring import (
    correct_answers,
    cross_entropy,
    sums_of_gradients,
    sums_of_scores,
)
from lth.engine.trial_step import xla_compiles
from lth.engine.variables import Weights, numbered, read, weight_variables, write
from lth.results.schemas import Scores
from lth.training.optimizers import Optimizer
from lth.training.settings import Augmentation

_KEPT = 8
_FIRST_PACE = 16.0
"""Steps per second, before it is measured."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the steps since the last evaluation point: loss, correct answers, steps."""

    loss: float = 0.0
    correct: float = 0.0
    steps: int = 0


class Program:
    """The compiled functions of one network with one optimizer.

    Args:
        blueprint: the network.
        optimizer: its kind and parameters; the learning rate is an input of each step.
        augmentation: augmentation of training images.
        output: name of the output layer; None for the last layer that has a kernel.

    Attributes:
        xla: whether XLA compiles the functions. It does not for convolutions on a CPU, for which
            TensorFlow's own kernels are faster, and for layers that XLA cannot compile.
        places: the prunable layers, in the order of the network.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        optimizer: Optimizer,
        augmentation: Augmentation = "none",
        output: str | None = None,
    ) -> None:
        have_sums_in_one_order()
        self.blueprint = blueprint
        self.model = blueprint.build()
        self.places: tuple[PrunablePlace, ...] = prunable(self.model, output)
        for place in self.places:
            place.layer.trust_optimizer()
        wanted = not (on_cpu() and blueprint.convolves)
        self.xla = xla_compiles(blueprint, self.model, wanted=wanted)
        self._weights = weight_variables(self.model)
        with keras_defaults():
            self._optimizer = _built(optimizer, self.model)
        slots = self._optimizer.variables
        self._slots = dict(zip(numbered(slot.path for slot in slots), slots, strict=True))
        self._fresh_slots = read(self._slots)
        self._augmentation: Augmentation = augmentation
        compiled = tf.function(jit_compile=self.xla)
        # XLA makes one pass of an update where TensorFlow's kernels make ten, and updates are bound
        # by memory: on a CPU this is worth it for convolutions too.
        self._update = tf.function(self._apply, jit_compile=True)
        self._steps_per_second = 0.0
        self._train = compiled(self._train_steps)
        self._evaluate = compiled(self._sum_scores)
        self._gradients = compiled(self._sum_gradients)

    @property
    def weights(self) -> Weights:
        """A copy of the weights, float32 by path."""
        return read(self._weights)

    @property
    def slots(self) -> Weights:
        """A copy of the optimizer's slots."""
        return read(self._slots)

    def load(
        self,
        weights: Weights,
        masks: Mapping[str, np.ndarray],
        frozen: Mapping[str, np.ndarray] | None = None,
        slots: Weights | None = None,
    ) -> None:
        """Write the state of an experiment into the network.

        Args:
            weights: by path, as `weights` returns them; kernels are set to zero where pruned.
            masks: bool by layer name; True = kept.
            frozen: constant values of pruned weights, float32 by layer name, for a freezing
                network.
            slots: the optimizer's slots; None for fresh ones.
        """
        kernels = {p.kernel: weights[p.kernel] * masks[p.name] for p in self.places}
        write(self._weights, {**weights, **kernels})
        write(self._slots, self._fresh_slots if slots is None else slots)
        for place in self.places:
            place.layer.mask.assign(masks[place.name])
            if place.layer.frozen is not None:
                held = frozen[place.name] if frozen else np.zeros_like(kernels[place.kernel])
                place.layer.frozen.assign(held)

    def train(
        self,
        data: DeviceData,
        order: np.ndarray,
        rates: np.ndarray,
        first: int,
        last: int,
        totals: Totals,
        augmentation_seed: int = 0,
    ) -> Totals:
        """Train steps `first` to `last` (exclusive) of an epoch.

        Args:
            data: the data set, on the device.
            order: the batches of the epoch, int32 [steps, batch], as indices of training samples.
            rates: learning rate of each step of the epoch, float32 [steps].
            first: the first step.
            last: the step before which to stop.
            totals: sums to which these steps are added.
            augmentation_seed: seed of the epoch, uint32.

        Returns:
            The new sums.
        """
        began = monotonic()
        with keras_defaults():
            loss, correct = self._train(
                data.x_train,
                data.y_train,
                data.factor,
                data.offset,
                tf.constant(order),
                tf.constant(rates),
                tf.constant(first),
                tf.constant(last),
                tf.constant(augmentation_seed, tf.uint32),
                tf.constant(totals.loss, tf.float32),
                tf.constant(totals.correct, tf.float32),
            )
        new = Totals(float(loss), float(correct), totals.steps + last - first)
        self._measured(last - first, monotonic() - began)
        return new

    def steps_within(self, seconds: float) -> int:
        """The number of training steps in a call that should take about `seconds`."""
        return max(1, int(self._steps_per_second * seconds))

    def swap(self, weights: Weights) -> None:
        """Write weights into the network, as `weights` returns them; nothing else changes."""
        write(self._weights, weights)

    def evaluate(self, data: DeviceData, split: Split) -> Scores:
        """Loss and accuracies on a split, in inference mode."""
        with keras_defaults():
            loss, correct, top5 = self._evaluate(
                split.x, split.y, split.batches, split.counted, data.factor, data.offset
            )
        return Scores(
            loss=float(loss) / split.samples,
            accuracy=float(correct) / split.samples,
            top5=float(top5) / split.samples if data.classes > 5 else None,
        )

    def gradients(self, data: DeviceData) -> Weights:
        """Gradients of the mean training loss by kernel, in inference mode, float32 by path."""
        split = data.train_split
        with keras_defaults():
            sums = self._gradients(
                split.x, split.y, split.batches, split.counted, data.factor, data.offset
            )
        return {
            place.kernel: np.asarray(total) / split.samples
            for place, total in zip(self.places, sums, strict=True)
        }

    def _measured(self, steps: int, seconds: float) -> None:
        """Measure the speed of the last call; the first call compiles and is not measured."""
        known = self._steps_per_second > 0
        self._steps_per_second = steps / seconds if known else _FIRST_PACE

    def _train_steps(
        self,
        x: Any,
        y: Any,
        factor: Any,
        offset: Any,
        order: Any,
        rates: Any,
        first: Any,
        last: Any,
        seed: Any,
        loss_so_far: Any,
        correct_so_far: Any,
    ) -> Any:
        trained = self.model.trainable_variables

        def step(number: Any, loss_sum: Any, correct_sum: Any) -> Any:
            rows = order[number]
            labels = tf.gather(y, rows)
            images = tf.cast(tf.gather(x, rows), tf.float32)
            images = augmented(images, self._augmentation, seed, number) * factor + offset
            with tf.GradientTape() as tape:
                logits = self.model(images, training=True)
                loss = tf.reduce_mean(cross_entropy(labels, logits))
                loss += tf.add_n(self.model.losses) if self.model.losses else 0.0
            gradients = tape.gradient(loss, [variable.value for variable in trained])
            self._optimizer.learning_rate = rates[number]
            self._update(gradients)
            return number + 1, loss_sum + loss, correct_sum + correct_answers(labels, logits)

        _, loss, correct = tf.while_loop(
            lambda number, *_: number < last,
            step,
            (first, loss_so_far, correct_so_far),
            parallel_iterations=1,
        )
        return loss, correct

    def _apply(self, gradients: list[Any]) -> None:
        self._optimizer.apply(gradients, self.model.trainable_variables)

    def _sum_scores(self, *split: Any) -> Any:
        return sums_of_scores(self.model, *split)

    def _sum_gradients(self, *split: Any) -> Any:
        kernels = [place.layer._kernel for place in self.places]
        return sums_of_gradients(self.model, kernels, *split)


_programs: OrderedDict[tuple[str, ...], Program] = OrderedDict()
_made = 0


def program(
    blueprint: Blueprint,
    optimizer: Optimizer,
    augmentation: Augmentation = "none",
    output: str | None = None,
) -> Program:
    """The program for a network and an optimizer, compiled once in a process.

    The last few programs are cached. The learning rate is not part of the key.
    """
    same = optimizer.model_copy(update={"learning_rate": 1.0})
    key = (blueprint.key, same.model_dump_json(), augmentation, output or "")
    if key not in _programs:
        global _made
        _made += 1
        _programs[key] = Program(blueprint, optimizer, augmentation, output)
        while len(_programs) > _KEPT:
            _programs.popitem(last=False)
    _programs.move_to_end(key)
    return _programs[key]


def programs_made() -> int:
    """Number of programs that this process has compiled, including those no longer cached.

    TensorFlow keeps some 15 MB of compiled code for each of them until the process ends.
    """
    return _made


def _built(optimizer: Optimizer, model: keras.Sequential) -> keras.optimizers.Optimizer:
    described = optimizer.keras_config()
    # The name is part of the names of its slots, which checkpoints carry to other processes.
    described["config"]["name"] = "optimizer"
    built = keras.optimizers.deserialize(described)
    built.build(model.trainable_variables)
    return built
