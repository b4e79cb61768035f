"""The networks that a spec may name: those of the papers, and lists of layers.

Other packages add networks through the entry-point group ``lth.networks``.

Reference: Frankle & Carbin 2019, arXiv:1803.03635, figure 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol

from pydantic import Field, ValidationInfo, field_validator

from lth.core.extensions import extended
from lth.core.family import ByName, Member
from lth.core.limits import bounded, limits_of
from lth.networks.layers import Conv2D, Flatten, Layer, Linear, MaxPooling2D, Shape
from lth.networks.paper_defaults import Papers


class NetworkContract(Protocol):
    """The contract of a network: its `kind`, its layers, and the papers' defaults."""

    papers: ClassVar[Papers]
    """Defaults for a spec that does not choose otherwise."""

    def expand(self, input_shape: Shape, classes: int) -> tuple[Layer, ...]:
        """The layers for samples of `input_shape`; the last one gives one logit for each class.

        Raises:
            ValueError: if the layers do not accept such samples, or give another number of classes.
        """
        ...


class Lenet300100(Member):
    """LeNet-300-100: 266,200 kernel weights on MNIST."""

    papers: ClassVar[Papers] = Papers(learning_rate=1.2e-3)

    kind: Literal["lenet-300-100"]

    def expand(self, input_shape: Shape, classes: int) -> tuple[Layer, ...]:
        return (
            *_flat(input_shape),
            Linear(kind="linear", units=300, activation="relu"),
            Linear(kind="linear", units=100, activation="relu"),
            Linear(kind="linear", units=classes),
        )


class _VggLike(Member):
    """Blocks of two 3x3 convolutions and a pooling, then dense layers 256, 256, classes."""

    def _blocks(self, blocks: tuple[int, ...], classes: int) -> tuple[Layer, ...]:
        convolutions: list[Layer] = []
        for filters in blocks:
            convolution = Conv2D(kind="conv2d", filters=filters, activation="relu")
            convolutions += [convolution, convolution, MaxPooling2D(kind="max_pooling2d")]
        dense = Linear(kind="linear", units=256, activation="relu")
        output = Linear(kind="linear", units=classes)
        return (*convolutions, Flatten(kind="flatten"), dense, dense, output)


class Conv2(_VggLike):
    """Conv-2: 4,300,992 kernel weights on CIFAR-10."""

    papers: ClassVar[Papers] = Papers(learning_rate=2e-4)

    kind: Literal["conv-2"]

    def expand(self, input_shape: Shape, classes: int) -> tuple[Layer, ...]:
        return self._blocks((64,), classes)


class Conv4(_VggLike):
    """Conv-4: 2,425,024 kernel weights on CIFAR-10."""

    papers: ClassVar[Papers] = Papers(learning_rate=3e-4)

    kind: Literal["conv-4"]

    def expand(self, input_shape: Shape, classes: int) -> tuple[Layer, ...]:
        return self._blocks((64, 128), classes)


class Conv6(_VggLike):
    """Conv-6: 2,261,184 kernel weights on CIFAR-10."""

    papers: ClassVar[Papers] = Papers(learning_rate=3e-4, convolution_rate=0.75)

    kind: Literal["conv-6"]

    def expand(self, input_shape: Shape, classes: int) -> tuple[Layer, ...]:
        return self._blocks((64, 128, 256), classes)


class LayerList(Member):
    """A list of layers. The last one gives one logit for each class, without an activation."""

    papers: ClassVar[Papers] = Papers(learning_rate=1.2e-3)

    kind: Literal["layers"]
    layers: tuple[Layer, ...] = Field(min_length=1)

    @field_validator("layers")
    @classmethod
    def _bounded(cls, value: tuple[Layer, ...], info: ValidationInfo) -> tuple[Layer, ...]:
        bounded(len(value), limits_of(info).max_layers, "layers")
        return value

    def expand(self, input_shape: Shape, classes: int) -> tuple[Layer, ...]:
        last = self.layers[-1]
        if not isinstance(last, Linear) or last.units != classes or last.activation is not None:
            raise ValueError(
                f"the last layer gives the classes: it must be 'linear' with {classes} units "
                f"and no activation, but is {last.model_dump(exclude_defaults=True)}"
            )
        return self.layers


Network = Annotated[
    Lenet300100 | Conv2 | Conv4 | Conv6 | LayerList, Field(discriminator="kind"), ByName()
]
if not TYPE_CHECKING:
    Network = extended(Network, "lth.networks", ("expand",))


@dataclass(frozen=True, slots=True)
class PlacedLayer:
    """A layer at its position in a network, with the shape that enters it."""

    layer: Layer
    input_shape: Shape
    kernel_shape: Shape | None
    parameters: int

    @property
    def size(self) -> int:
        """The numbers of a sample that enter and leave the layer."""
        return prod(self.input_shape) + prod(self.layer.output_shape(self.input_shape))


def place(network: Network, input_shape: Shape, classes: int) -> tuple[PlacedLayer, ...]:
    """Compute the shapes of all layers of a network without building it.

    Raises:
        ValueError: if a layer does not accept the output of the layer before; the message names it.
    """
    return tuple(_walk(network.expand(input_shape, classes), input_shape))


def _walk(layers: tuple[Layer, ...], shape: Shape) -> Iterator[PlacedLayer]:
    for number, layer in enumerate(layers):
        try:
            after = layer.output_shape(shape)
        except ValueError as error:
            raise ValueError(f"layer {number}: {error}") from None
        kernel = layer.kernel_shape(shape)
        parameters = (prod(kernel) if kernel else 0) + layer.other_parameters(shape)
        yield PlacedLayer(layer, shape, kernel, parameters)
        shape = after


def _flat(input_shape: Shape) -> tuple[Layer, ...]:
    return (Flatten(kind="flatten"),) if len(input_shape) > 1 else ()
