"""Dropout with random bits that compile well.

XLA runs the random generator of Keras' dropout very slowly on a CPU. Here the random bits are a
hash of the element's index and of a key, which each step draws from the seed of the layer. XLA
fuses this integer arithmetic with the surrounding operations.
"""

from typing import Any

import keras
import tensorflow as tf

_GOLDEN, _FIRST, _SECOND = 0x9E3779B9, 0x7FEB352D, 0x846CA68B


@keras.saving.register_keras_serializable(package="lth")
class HashedDropout(keras.layers.Dropout):
    """Keras' `Dropout` with the same state and arguments, but other random bits."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """During training, set a share of the inputs to zero, and scale the others up."""
        if not training or self.rate == 0:
            return inputs
        key = tf.bitcast(tf.cast(self.seed_generator.next(), tf.int32), tf.uint32)
        shape = tf.shape(inputs)
        if self.noise_shape is not None:
            shape = tf.stack([shape[i] if n is None else n for i, n in enumerate(self.noise_shape)])
        bits = hashed_bits(key[0], key[1], tf.reduce_prod(shape))
        threshold = tf.constant(min(int(self.rate * 2**32), 2**32 - 1), tf.uint32)
        kept = tf.reshape(bits >= threshold, shape)
        return tf.where(kept, inputs / (1.0 - self.rate), tf.zeros_like(inputs))


def hashed_bits(low: Any, high: Any, count: Any) -> Any:
    """Pseudo-random uint32 [count]: a hash of 0, 1, ... with a key of two words.

    The hash applies a multiply-xorshift finalizer with full avalanche twice, and adds a word of the
    key before each.
    """
    bits = tf.cast(tf.range(count), tf.uint32) * tf.constant(_GOLDEN, tf.uint32)
    return _mixed(_mixed(bits + low) + high)


def _mixed(bits: Any) -> Any:
    bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, _word(16)))
    bits = bits * _word(_FIRST)
    bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, _word(15)))
    bits = bits * _word(_SECOND)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, _word(16)))


def _word(value: int) -> Any:
    return tf.constant(value, tf.uint32)
