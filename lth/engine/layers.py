"""Keras layers with prunable kernels.

They extend Keras' `Dense` and `Conv2D` with a mask. Only surviving weights receive a gradient, and
a constraint sets pruned weights to zero after each update, because some optimizers change weights
without a gradient: Muon does, and so do slots of an earlier training. The engine's optimizers do
not, so the engine leaves the constraint out. The forward pass does not multiply by the mask, which
saves a fifth of the time on a CPU.
"""

from typing import Any, cast

import keras
import tensorflow as tf
from keras import ops

from lth.core.errors import SpecError

_REGISTER = keras.saving.register_keras_serializable(package="lth")


class Prunable:
    """Adds a mask to a Keras layer, and optionally values for pruned weights.

    Attributes:
        kernel: the surviving weights, float32; zero where pruned.
        mask: bool in the shape of the kernel; True = kept. It is not trained.
        frozen: constant values of pruned weights, float32 in the shape of the kernel; None if they
            are zero.
    """

    name: str
    built: bool
    _kernel: keras.Variable
    mask: keras.Variable
    frozen: keras.Variable | None = None
    freezes: bool

    def _add_mask(self) -> None:
        add = self.add_weight  # pyright: ignore[reportAttributeAccessIssue]
        shape = self._kernel.shape
        self.mask = add(name="mask", shape=shape, initializer="ones", dtype="bool", trainable=False)
        if self.freezes:
            self.frozen = add(name="frozen", shape=shape, initializer="zeros", trainable=False)
        penalty: Any = self._kernel.regularizer
        if penalty is not None:
            # Some regularizers, such as orthogonal ones, have a gradient where a weight is zero.
            self._kernel.regularizer = lambda _: penalty(self._survivors())
        self._kernel.constraint = self._constrained

    def _constrained(self, kernel: Any) -> Any:
        """The kernel after an update: under the user's constraint, and zero where pruned."""
        own = self.kernel_constraint  # pyright: ignore[reportAttributeAccessIssue]
        return ops.where(self.mask, kernel if own is None else own(kernel), 0.0)

    def trust_optimizer(self) -> None:
        """Leave out the constraint, for optimizers that never change a weight without gradient."""
        self._kernel.constraint = self.kernel_constraint  # pyright: ignore[reportAttributeAccessIssue]

    def prune(self, mask: Any) -> None:
        """Set the mask, bool in the shape of the kernel, and set the pruned weights to zero."""
        self.mask.assign(mask)
        self._kernel.assign(ops.where(mask, self._kernel, 0.0))

    def save_own_variables(self, store: Any) -> None:
        """Save all variables; `Dense` and `Conv2D` would save only kernel and bias."""
        keras.layers.Layer.save_own_variables(self, store)  # pyright: ignore[reportArgumentType]

    def load_own_variables(self, store: Any) -> None:
        """Load what `save_own_variables` saved."""
        keras.layers.Layer.load_own_variables(self, store)  # pyright: ignore[reportArgumentType]

    def pruned_kernel(self) -> Any:
        """The kernel of the forward pass: surviving weights, and the values of pruned weights."""
        kernel = self._survivors()
        return kernel if self.frozen is None else ops.add(kernel, self.frozen)

    def _survivors(self) -> Any:
        """The kernel, with a gradient for surviving weights only."""
        return _gradient_of_survivors(
            tf.convert_to_tensor(self._kernel.value), tf.convert_to_tensor(self.mask.value)
        )


@tf.custom_gradient
def _gradient_of_survivors(kernel: Any, mask: Any) -> Any:
    """Return the kernel, with a gradient that is zero where the mask prunes."""

    def backward(upstream: Any) -> Any:
        # `where` of TensorFlow 2 broadcasts, which takes twice as long.
        return tf.raw_ops.Select(condition=mask, x=upstream, y=tf.zeros_like(upstream)), None

    return tf.identity(kernel), backward


@_REGISTER
class LotteryLinear(Prunable, keras.layers.Dense):
    """A dense layer with a prunable kernel [inputs, units]. The bias is not pruned.

    Args:
        units: number of outputs.
        activation: as in `keras.layers.Dense`.
        kernel_initializer: any Keras initializer; by default Glorot normal, as in the papers.
        freezes: allow constant values for pruned weights (Zhou et al. 2019) instead of zero.
        **kwargs: further arguments of `keras.layers.Dense`.

    Examples:
        >>> layer = LotteryLinear(300, activation="relu")
        >>> layer(np.zeros((1, 784), "float32")).shape
        TensorShape([1, 300])
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        kernel_initializer: Any = "glorot_normal",
        freezes: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation=activation, kernel_initializer=kernel_initializer, **kwargs
        )
        self.freezes = freezes

    def build(self, input_shape: Any) -> None:
        """Create kernel, bias and mask."""
        super().build(input_shape)
        self._add_mask()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Multiply by the pruned kernel, add the bias, and apply the activation."""
        outputs = ops.matmul(inputs, self.pruned_kernel())
        if self.bias is not None:
            outputs = ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer, for `from_config`."""
        return {**super().get_config(), "freezes": self.freezes}


@_REGISTER
class LotteryConv2D(Prunable, keras.layers.Conv2D):
    """A convolution with a prunable kernel [height, width, channels, filters].

    The bias is not pruned.

    Args:
        filters: number of output channels.
        kernel_size: height and width of the window, in pixels.
        strides: step of the window, in pixels.
        padding: "valid" or "same".
        activation: as in `keras.layers.Conv2D`.
        kernel_initializer: any Keras initializer; by default Glorot normal with the fan-in and
            fan-out of the kernel, as in the papers.
        freezes: allow constant values for pruned weights (Zhou et al. 2019) instead of zero.
        **kwargs: further arguments of `keras.layers.Conv2D`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int] = 3,
        strides: int | tuple[int, int] = 1,
        padding: str = "same",
        activation: Any = None,
        kernel_initializer: Any = "glorot_normal",
        freezes: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            activation=activation,
            kernel_initializer=kernel_initializer,
            **kwargs,
        )
        self.freezes = freezes

    def build(self, input_shape: Any) -> None:
        """Create kernel, bias and mask."""
        super().build(input_shape)
        self._add_mask()

    def call(self, inputs: Any) -> Any:
        """Convolve with the pruned kernel, add the bias, and apply the activation."""
        outputs = self.convolution_op(inputs, self.pruned_kernel())
        if self.bias is not None:
            shape = (1, 1, 1, -1) if self.data_format == "channels_last" else (1, -1, 1, 1)
            outputs = ops.add(outputs, ops.reshape(self.bias, shape))
        return outputs if self.activation is None else self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer, for `from_config`."""
        return {**super().get_config(), "freezes": self.freezes}


def lottery_network(network: keras.Sequential) -> keras.Sequential:
    """Convert a network of plain Keras layers, so that `Dense` and `Conv2D` can be pruned.

    Other layers stay as they are. If the network is built, the new one has the same weights.

    Args:
        network: a Sequential; it is not changed.

    Returns:
        A Sequential with a `LotteryLinear` for each `Dense`, and a `LotteryConv2D` for each
        `Conv2D`, with the same names and settings.

    Raises:
        SpecError: if there is no layer to convert.

    Examples:
        >>> model = LotteryModel(lottery_network(network), "digits")
    """
    if not isinstance(network, keras.Sequential):
        raise SpecError(f"{type(network).__name__} is not a keras.Sequential; give a Sequential")
    layers = [_lottery_layer(layer) for layer in network.layers]
    if not any(isinstance(layer, Prunable) for layer in layers):
        kinds = ", ".join(dict.fromkeys(type(layer).__name__ for layer in network.layers)) or "none"
        raise SpecError(f"the network has no Dense or Conv2D layer to convert; its layers: {kinds}")
    if not network.built:
        return keras.Sequential(layers, name=network.name)
    converted = keras.Sequential(
        [keras.Input(cast(Any, network.input_shape)[1:]), *layers], name=network.name
    )
    for layer, original in zip(converted.layers, network.layers, strict=True):
        own = [each for each in layer.variables if each is not getattr(layer, "mask", None)]
        for variable, value in zip(own, original.variables, strict=True):
            variable.assign(value)
    return converted


def _lottery_layer(layer: keras.Layer) -> keras.Layer:
    """A lottery layer for a plain `Dense` or `Conv2D`; a copy of any other layer."""
    kinds = {keras.layers.Dense: LotteryLinear, keras.layers.Conv2D: LotteryConv2D}
    kind = kinds.get(cast(Any, type(layer)), type(layer))
    return kind.from_config(layer.get_config())
