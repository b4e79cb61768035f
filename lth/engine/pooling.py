"""Max pooling with a deterministic gradient on a GPU.

XLA does not compile the gradient of TensorFlow's max pooling if results must be deterministic. Here
the maximum is taken over shifted copies of the image, and the gradient goes to the first maximum of
a window, as on a CPU.
"""

from functools import reduce
from itertools import product
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="lth")
class SlicedMaxPooling2D(keras.layers.MaxPooling2D):
    """Keras' `MaxPooling2D` for images with channels last; it gives the same values."""

    def call(self, inputs: Any) -> Any:
        """The maximum of each window."""
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
