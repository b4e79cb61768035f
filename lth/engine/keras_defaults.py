"""Keras' defaults, whatever ``keras.json`` or a program has set.

The file and functions such as `keras.config.set_floatx` change the meaning of everything that a
layer or a spec does not say.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from lth.core.errors import SpecError

_FLOAT = "float32"
_CHANNELS = "channels_last"
_EPSILON = 1e-7


@contextmanager
def keras_defaults() -> Iterator[None]:
    """Use Keras' defaults within the context, and the settings of the process again after it."""
    config = keras.config
    found = config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy()
    config.set_floatx(_FLOAT)
    config.set_epsilon(_EPSILON)
    config.set_image_data_format(_CHANNELS)
    config.set_dtype_policy(_FLOAT)
    try:
        yield
    finally:
        floatx, epsilon, channels, policy = found
        config.set_floatx(floatx)
        config.set_epsilon(epsilon)
        config.set_image_data_format(channels)
        config.set_dtype_policy(policy)


def check_dtypes(layer: keras.Layer) -> None:
    """Refuse a layer that computes in another precision than experiments do.

    Raises:
        SpecError: if it, or a layer inside it, has a policy such as ``mixed_float16``.
    """
    for each in layer._flatten_layers():
        for dtype in (each.compute_dtype, each.variable_dtype):
            if "float" in str(dtype) and dtype != _FLOAT:
                raise SpecError(
                    f"'{each.name}' ({type(each).__name__}) has the dtype policy "
                    f"'{each.dtype_policy.name}', but experiments compute in float32; create the "
                    "network under keras.config.set_dtype_policy('float32')"
                )
