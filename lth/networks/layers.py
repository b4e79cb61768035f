"""The layers that a spec may name. Each describes its shapes, its weights and its Keras config.

This module does not import Keras. Parameters can be counted before a network is built.
"""

from math import prod
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from lth.core.family import ByName, Member, kind_of

Shape = tuple[int, ...]
"""The shape of one sample, without the batch: (features,) or (height, width, channels)."""

Activation = Literal["relu", "elu", "gelu", "leaky_relu", "selu", "sigmoid", "silu", "tanh"]
Initializer = Literal[
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform"
]
Padding = Literal["same", "valid"]


class LayerContract(Protocol):
    """The contract of a layer of a spec."""

    def keras_config(self) -> dict[str, Any]:
        """The configuration that ``keras.layers.deserialize`` accepts."""
        ...

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of a sample after the layer, if it enters with `shape`.

        Raises:
            ValueError: if the layer does not accept `shape`.
        """
        ...

    def kernel_shape(self, shape: Shape) -> Shape | None:
        """The shape of the prunable kernel; None if the layer has none."""
        ...

    def other_parameters(self, shape: Shape) -> int:
        """The number of weights besides the kernel: biases, scales, moving averages."""
        ...


class _Layer(Member):
    """Base of layers. By default, a layer keeps the shape of a sample and has no weights."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def kernel_shape(self, shape: Shape) -> Shape | None:
        return None

    def other_parameters(self, shape: Shape) -> int:
        return 0


def _keras(name: str, *, lottery: bool = False, **config: Any) -> dict[str, Any]:
    module, registered = ("lth", f"lth>{name}") if lottery else ("keras.layers", None)
    return {
        "module": module,
        "class_name": name,
        "config": config,
        "registered_name": registered,
    }


def _image(shape: Shape, kind: str) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ValueError(
            f"'{kind}' takes images (height, width, channels), but {list(shape)} reaches it"
        )
    return (shape[0], shape[1], shape[2])


def _window(size: int, window: int, stride: int, padding: Padding, kind: str) -> int:
    after = -(-size // stride) if padding == "same" else (size - window) // stride + 1
    if after < 1:
        raise ValueError(f"'{kind}' with a window of {window} does not fit into {size} pixels")
    return after


class Linear(_Layer):
    """A dense layer whose kernel can be pruned (`lth.LotteryLinear`)."""

    kind: Literal["linear"]
    units: int = Field(ge=1, le=1_000_000)
    activation: Activation | None = None
    initializer: Initializer = "glorot_normal"

    def keras_config(self) -> dict[str, Any]:
        return _keras(
            "LotteryLinear",
            lottery=True,
            units=self.units,
            activation=self.activation,
            kernel_initializer=self.initializer,
        )

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise ValueError(
                f"'linear' takes a flat sample, but {list(shape)} reaches it; "
                "put a 'flatten' layer before it"
            )
        return (self.units,)

    def kernel_shape(self, shape: Shape) -> Shape:
        return (shape[0], self.units)

    def other_parameters(self, shape: Shape) -> int:
        return self.units


class Conv2D(_Layer):
    """A convolution whose kernel can be pruned (`lth.LotteryConv2D`)."""

    kind: Literal["conv2d"]
    filters: int = Field(ge=1, le=65_536)
    kernel_size: int = Field(default=3, ge=1, le=64)
    strides: int = Field(default=1, ge=1, le=64)
    padding: Padding = "same"
    activation: Activation | None = None
    initializer: Initializer = "glorot_normal"

    def keras_config(self) -> dict[str, Any]:
        return _keras(
            "LotteryConv2D",
            lottery=True,
            filters=self.filters,
            kernel_size=self.kernel_size,
            strides=self.strides,
            padding=self.padding,
            activation=self.activation,
            kernel_initializer=self.initializer,
        )

    def output_shape(self, shape: Shape) -> Shape:
        height, width, _ = _image(shape, kind_of(type(self)))
        height, width = (
            _window(size, self.kernel_size, self.strides, self.padding, kind_of(type(self)))
            for size in (height, width)
        )
        return (height, width, self.filters)

    def kernel_shape(self, shape: Shape) -> Shape:
        return (self.kernel_size, self.kernel_size, shape[2], self.filters)

    def other_parameters(self, shape: Shape) -> int:
        return self.filters


class Flatten(_Layer):
    """Flattens a sample into one row."""

    kind: Literal["flatten"]

    def keras_config(self) -> dict[str, Any]:
        return _keras("Flatten")

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)


class Dropout(_Layer):
    """Sets a share of the inputs to zero during training."""

    kind: Literal["dropout"]
    rate: float = Field(ge=0, lt=1)

    def keras_config(self) -> dict[str, Any]:
        return _keras("Dropout", rate=self.rate)


class BatchNormalization(_Layer):
    """Normalizes by the batch during training, and by moving averages otherwise."""

    kind: Literal["batch_normalization"]
    momentum: float = Field(default=0.99, ge=0, lt=1)
    epsilon: float = Field(default=1e-3, gt=0, le=1)

    def keras_config(self) -> dict[str, Any]:
        return _keras("BatchNormalization", momentum=self.momentum, epsilon=self.epsilon)

    def other_parameters(self, shape: Shape) -> int:
        return 4 * shape[-1]


class _Pooling(_Layer):
    """A pooling window; `strides` defaults to `size`."""

    size: int = Field(default=2, ge=1, le=64)
    strides: int | None = Field(default=None, ge=1, le=64)
    padding: Padding = "valid"

    def output_shape(self, shape: Shape) -> Shape:
        height, width, channels = _image(shape, kind_of(type(self)))
        strides = self.strides or self.size
        height, width = (
            _window(size, self.size, strides, self.padding, kind_of(type(self)))
            for size in (height, width)
        )
        return (height, width, channels)

    def _pooling(self, name: str) -> dict[str, Any]:
        return _keras(name, pool_size=self.size, strides=self.strides, padding=self.padding)


class MaxPooling2D(_Pooling):
    """The largest value of each window."""

    kind: Literal["max_pooling2d"]

    def keras_config(self) -> dict[str, Any]:
        return self._pooling("MaxPooling2D")


class AveragePooling2D(_Pooling):
    """The mean of each window."""

    kind: Literal["average_pooling2d"]

    def keras_config(self) -> dict[str, Any]:
        return self._pooling("AveragePooling2D")


class GlobalAveragePooling2D(_Layer):
    """The mean of each channel."""

    kind: Literal["global_average_pooling2d"]

    def keras_config(self) -> dict[str, Any]:
        return _keras("GlobalAveragePooling2D")

    def output_shape(self, shape: Shape) -> Shape:
        return (_image(shape, kind_of(type(self)))[2],)


class ActivationLayer(_Layer):
    """An activation function as a separate layer, for example after a batch normalization."""

    kind: Literal["activation"]
    function: Activation

    def keras_config(self) -> dict[str, Any]:
        return _keras("Activation", activation=self.function)


Layer = Annotated[
    Linear
    | Conv2D
    | Flatten
    | Dropout
    | BatchNormalization
    | MaxPooling2D
    | AveragePooling2D
    | GlobalAveragePooling2D
    | ActivationLayer,
    Field(discriminator="kind"),
    ByName(),
]
