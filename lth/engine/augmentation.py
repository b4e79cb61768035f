"""Random flips and shifts of training images, on the device and reproducible."""

from typing import Any

import tensorflow as tf

from lth.engine.dropout import hashed_bits
from lth.training.settings import Augmentation

_PADDING = 4


def augmented(images: Any, kind: Augmentation, seed: Any, step: Any) -> Any:
    """Augment a batch of images for one step of an epoch.

    Args:
        images: float32 [batch, height, width, channels].
        kind: the augmentation.
        seed: seed of the epoch, uint32.
        step: step within the epoch, int32.

    Returns:
        Images of the same shape and dtype.
    """
    if kind == "none":
        return images
    batch = tf.shape(images)[0]
    bits = tf.reshape(hashed_bits(seed, tf.cast(step, tf.uint32), 3 * batch), (3, batch))
    if "crop" in kind:
        images = _cropped(
            images, _below(bits[0], 2 * _PADDING + 1), _below(bits[1], 2 * _PADDING + 1)
        )
    if "flip" in kind:
        mirrored = tf.cast(tf.bitwise.right_shift(bits[2], tf.constant(31, tf.uint32)), tf.bool)
        images = tf.where(mirrored[:, None, None, None], images[:, :, ::-1, :], images)
    return images


def _cropped(images: Any, top: Any, left: Any) -> Any:
    """Pad each image with zeros, and crop it to its size at its own position."""
    height, width = images.shape[1], images.shape[2]
    margin = (_PADDING, _PADDING)
    padded = tf.pad(images, ((0, 0), margin, margin, (0, 0)))
    rows = tf.gather(padded, top[:, None] + tf.range(height), batch_dims=1)
    columns = tf.gather(
        tf.transpose(rows, (0, 2, 1, 3)), left[:, None] + tf.range(width), batch_dims=1
    )
    return tf.transpose(columns, (0, 2, 1, 3))


def _below(bits: Any, bound: int) -> Any:
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.int32) % bound
