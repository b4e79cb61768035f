"""Loss, accuracies and gradients of a network over batches, as TensorFlow operations.

Images are tensors [batch, *shape] as stored, labels int32 [batch], logits float32 [batch, classes].
If samples are rows of a data set, an image is ``x[rows] * factor + offset``.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


def cross_entropy(labels: Any, logits: Any) -> Any:
    """The loss of each sample in nats, float32 [batch]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def correct_answers(labels: Any, logits: Any) -> Any:
    """The number of samples with the largest logit for the right class, float32."""
    answers = tf.argmax(logits, axis=1, output_type=labels.dtype)
    return tf.reduce_sum(tf.cast(answers == labels, tf.float32))


def sums_of_scores(
    model: keras.Sequential, x: Any, y: Any, batches: Any, counted: Any, factor: Any, offset: Any
) -> Any:
    """Loss, correct answers, and right classes among the first five, each summed over a split.

    Args:
        model: the network, called in inference mode.
        x: all samples as stored.
        y: their labels.
        batches: rows of `x` and `y`, int32 [batches, batch].
        counted: float32 of the same shape; 0 for rows that only pad.
        factor: factor of the normalization, float32.
        offset: offset of the normalization, float32.
    """

    def batch(number: Any, loss: Any, first: Any, top5: Any) -> Any:
        labels, weight = tf.gather(y, batches[number]), counted[number]
        logits = _logits(model, x, batches[number], factor, offset)
        ahead = _ahead(labels, logits)
        return (
            number + 1,
            loss + tf.reduce_sum(weight * cross_entropy(labels, logits)),
            first + tf.reduce_sum(weight * tf.cast(ahead < 1, tf.float32)),
            top5 + tf.reduce_sum(weight * tf.cast(ahead < 5, tf.float32)),
        )

    zero = tf.constant(0.0)
    return _over(batches, batch, (zero, zero, zero))


def sums_of_gradients(
    model: keras.Sequential,
    kernels: Sequence[keras.Variable],
    x: Any,
    y: Any,
    batches: Any,
    counted: Any,
    factor: Any,
    offset: Any,
) -> Any:
    """Gradients of the loss by kernel, summed over a split; see `sums_of_scores`."""

    def batch(number: Any, *sums: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = _logits(model, x, batches[number], factor, offset)
            labels = tf.gather(y, batches[number])
            loss = tf.reduce_sum(counted[number] * cross_entropy(labels, logits))
        gradients = tape.gradient(loss, [kernel.value for kernel in kernels])
        return (number + 1, *(total + g for total, g in zip(sums, gradients, strict=True)))

    return _over(batches, batch, tuple(tf.zeros(kernel.shape) for kernel in kernels))


def _over(batches: Any, add: Any, zeros: tuple[Any, ...]) -> Any:
    """The sums after `add` was called for each batch, with its number and the sums so far."""
    return tf.while_loop(
        lambda number, *_: number < tf.shape(batches)[0],
        add,
        (tf.constant(0), *zeros),
        parallel_iterations=1,
    )[1:]


def _logits(model: keras.Sequential, x: Any, rows: Any, factor: Any, offset: Any) -> Any:
    images = tf.cast(tf.gather(x, rows), tf.float32) * factor + offset
    return model(images, training=False)


def _ahead(labels: Any, logits: Any) -> Any:
    """The number of classes before the right one; with equal logits, lower classes come first."""
    own = tf.gather(logits, labels[:, None], batch_dims=1)
    lower = tf.range(tf.shape(logits)[1])[None, :] < labels[:, None]
    before = (logits > own) | ((logits == own) & lower)
    return tf.reduce_sum(tf.cast(before, tf.int32), axis=1)
