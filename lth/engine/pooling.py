"""Largest values of windows, on a GPU: with a gradient whose sums have one order.

XLA has no such gradient for TensorFlow's own operation, and refuses to compile it where equal
inputs must give equal bytes. Here a window's largest value is that of its shifted copies of the
image, and the gradient goes back to the first that has it, as on a CPU.
"""

from functools import reduce
from itertools import product
from typing import Any

import keras
import tensorflow as tf


class SlicedMaxPooling2D(keras.layers.MaxPooling2D):
    """Keras' `MaxPooling2D` of images whose channels come last, value for value."""

    def call(self, inputs: Any) -> Any:
        """The largest value of each window."""
        _, height, width, _ = self.compute_output_shape(inputs.shape)
        if self.padding == "same":
            inputs = self._padded(inputs, (height, width))
        down, right = self.strides
        shifted = [
            inputs[
                :, i : i + down * (height - 1) + 1 : down, j : j + right * (width - 1) + 1 : right
            ]
            for i, j in product(*map(range, self.pool_size))
        ]
        return reduce(tf.maximum, shifted)

    def _padded(self, inputs: Any, out: tuple[int, int]) -> Any:
        margins = []
        for axis, count in enumerate(out):
            covered = (count - 1) * self.strides[axis] + self.pool_size[axis]
            missing = max(covered - inputs.shape[1 + axis], 0)
            margins.append((missing // 2, missing - missing // 2))
        return tf.pad(inputs, ((0, 0), *margins, (0, 0)), constant_values=-float("inf"))
