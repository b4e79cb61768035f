"""An upper bound of the memory of a run, computed from its spec alone.

``make bench-memory`` compares it with the memory that runs use.
"""

from dataclasses import dataclass
from math import prod

from lth.core.family import kind_of
from lth.networks import PlacedLayer
from lth.networks.evaluation import evaluation_batch
from lth.networks.layers import (
    BatchNormalization,
    Conv2D,
    Dropout,
    Flatten,
    Linear,
    MaxPooling2D,
)
from lth.spec.document import Spec
from lth.spec.plan import levels_of

_FLOAT = 4
_PROCESS = 1_000_000_000
"""Python, TensorFlow, connections, and the compiled programs of a run, on a CPU."""
_COPIES = 9
"""Copies of the weights: variables, new values, gradients, initial weights, those at the start of a
level and at the early stop, those of a checkpoint, its serialization, and a buffer that TensorFlow
keeps on some processors."""
_COPIES_OF_SLOTS = 4
"""Copies of the optimizer's slots: the variables, new values, fresh ones, those of a checkpoint."""
_MASK = 0.25
"""A mask has a byte for each weight."""
_IN_EVALUATION = 1.6
"""Copies of the numbers that enter and leave a layer."""


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """The most memory of a run, in bytes.

    Attributes:
        process: Python, TensorFlow and compiled programs.
        data: the data set.
        weights: weights and everything of their size: gradients, slots of the optimizer, and the
            copies that results and checkpoints need.
        training: what the layers compute for a batch, and its gradients.
        evaluation: what the layers compute for a batch of an evaluation.
        number: index of the layer that needs most in training.
        kind: the kind of that layer, such as ``conv2d``.
    """

    process: int
    data: int
    weights: int
    training: int
    evaluation: int
    number: int
    kind: str

    @property
    def layer(self) -> str:
        """The layer that needs most in training, such as ``layer 0 (conv2d)``."""
        return f"layer {self.number} ({self.kind})"

    @property
    def total(self) -> int:
        """The peak; training and evaluation do not happen at the same time."""
        return self.process + self.data + self.weights + max(self.training, self.evaluation)


def estimate_memory(spec: Spec) -> MemoryEstimate:
    """The most memory that any run of a spec uses."""
    return _estimate(spec, spec.training.batch_size)


def largest_batch(spec: Spec, most: int) -> int | None:
    """The largest batch size with which the runs of a spec use at most `most` bytes.

    Returns:
        A number up to that of the training samples; None if not even one sample fits.
    """
    fits, too_large = 0, spec.samples + 1
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        if _estimate(spec, middle).total <= most:
            fits = middle
        else:
            too_large = middle
    return fits or None


def _estimate(spec: Spec, batch: int) -> MemoryEstimate:
    layers = spec.layers
    needs = [_retained(layer) + _passing(layer) for layer in layers]
    largest = needs.index(max(needs))
    sizes = [layer.size for layer in layers]
    facts = spec.dataset.facts
    samples = facts.train + facts.test
    evaluated = evaluation_batch(sizes, batch)
    return MemoryEstimate(
        process=_PROCESS,
        data=2 * _FLOAT * samples * prod(facts.shape),
        weights=_weights(spec),
        training=_FLOAT * batch * _of_training(layers),
        evaluation=int(_FLOAT * min(evaluated, samples) * _IN_EVALUATION * max(sizes)),
        number=largest,
        kind=kind_of(type(layers[largest].layer)),
    )


def _of_training(layers: tuple[PlacedLayer, ...]) -> int:
    """Numbers for each sample of a batch: those kept for the gradient, and the largest others."""
    kept = prod(layers[0].input_shape) + sum(map(_retained, layers))
    return kept + max(map(_passing, layers))


def _retained(layer: PlacedLayer) -> int:
    """Numbers for each sample that a layer keeps until its gradient is computed."""
    outputs = _outputs(layer)
    match layer.layer:
        case Flatten():
            return 0
        case Linear() | Conv2D() if layer.layer.activation in (None, "relu"):
            return outputs
        case Linear() | Conv2D() | Dropout() | MaxPooling2D():
            return 2 * outputs
        case BatchNormalization():
            return 3 * outputs
    return outputs


def _passing(layer: PlacedLayer) -> int:
    """Numbers for each sample that the gradient of a layer needs for a moment."""
    return prod(layer.input_shape) + 2 * _outputs(layer)


def _outputs(layer: PlacedLayer) -> int:
    return prod(layer.layer.output_shape(layer.input_shape))


def _weights(spec: Spec) -> int:
    """Bytes of the copies of the weights that are in memory at the same time."""
    parameters = sum(layer.parameters for layer in spec.layers)
    rounds = max(levels_of(spec, experiment) for experiment in spec.expanded)
    copies = _COPIES + _COPIES_OF_SLOTS * spec.training.optimizer.slots
    return int(_FLOAT * parameters * (copies + rounds + _MASK * (rounds + 1)))
