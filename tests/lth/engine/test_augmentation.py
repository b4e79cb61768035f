"""Flips and shifts of images, and that they are reproducible."""

import numpy as np
import pytest
import tensorflow as tf

from lth.engine.augmentation import augmented

IMAGES = np.arange(1, 1 + 64 * 6 * 5 * 2, dtype=np.float32).reshape(64, 6, 5, 2)


def drawn(kind: str, step: int = 3, seed: int = 9) -> np.ndarray:
    return np.asarray(
        augmented(tf.constant(IMAGES), kind, tf.constant(seed, tf.uint32), tf.constant(step))
    )


def test_none_changes_nothing():
    assert np.array_equal(drawn("none"), IMAGES)


def test_a_flip_mirrors_about_half_of_the_images():
    mirrored = 0
    for image, original in zip(drawn("flip"), IMAGES, strict=True):
        assert np.array_equal(image, original) or np.array_equal(image, original[:, ::-1])
        mirrored += not np.array_equal(image, original)
    assert 16 < mirrored < 48


def test_a_crop_moves_an_image_by_at_most_four_pixels_and_pads_with_zeros():
    moves = set()
    for image, original in zip(drawn("crop"), IMAGES, strict=True):
        padded = np.pad(original, ((4, 4), (4, 4), (0, 0)))
        places = [
            (y, x)
            for y in range(9)
            for x in range(9)
            if np.array_equal(image, padded[y : y + 6, x : x + 5])
        ]
        assert places
        moves.add(places[0])
    assert len(moves) > 20


@pytest.mark.parametrize("kind", ["flip", "crop", "flip_crop"])
def test_images_are_determined_by_the_seed_and_the_step(kind):
    assert np.array_equal(drawn(kind), drawn(kind))
    assert not np.array_equal(drawn(kind), drawn(kind, step=4))
    assert not np.array_equal(drawn(kind), drawn(kind, seed=10))
