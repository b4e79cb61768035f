"""How much a network computes for a sample, to compare the speeds of networks."""

from math import prod

from lth.networks.layers import Conv2D
from lth.spec.document import Spec


def multiply_adds(spec: Spec) -> int:
    """Multiplications with kernels in the forward pass of one sample."""
    total = 0
    for layer in spec.layers:
        kernel = prod(layer.kernel_shape or (0,))
        if isinstance(layer.layer, Conv2D):
            height, width, _ = layer.layer.output_shape(layer.input_shape)
            kernel *= height * width
        total += kernel
    return total


def has_convolutions(spec: Spec) -> bool:
    """Whether a network has a convolution."""
    return any(isinstance(layer.layer, Conv2D) for layer in spec.layers)
