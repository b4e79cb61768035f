"""Trains random small networks, and prints digests of what they have learned, as JSON.

``python -m tests.lth.random_networks NUMBERS...``: for each number, the digests of a network that
is trained with seed 1, once more with seed 1, and with seed 2.
"""

import hashlib
import json
import sys

import keras
import numpy as np
from keras import layers

from lth import ArrayDataset, LotteryConv2D, LotteryLinear, LotteryModel, Training

LAST = {"data_format": "channels_last"}
SHORT = Training.model_validate({"duration": "4it", "batch_size": 20, "evaluate_every": "2it"})


def digests(number: int) -> list[str]:
    """The digests of three trainings of a network: two with one seed, one with another seed."""
    return [_digest(number, seed) for seed in (1, 1, 2)]


def network(number: int) -> keras.Sequential:
    """A network for images, with blocks in blocks and frozen parts, some of them built."""
    keras.utils.set_random_seed(number)
    rng = np.random.default_rng(number)
    parts = [_image_block(rng, depth=2) for _ in range(2)]
    pooled = layers.GlobalAveragePooling2D(**LAST) if rng.random() < 0.5 else layers.Flatten(**LAST)
    flat = [_flat_block(rng, depth=2) for _ in range(2)]
    return keras.Sequential(
        [
            *parts,
            LotteryConv2D(4, **LAST),
            pooled,
            *flat,
            LotteryLinear(8, "relu"),
            LotteryLinear(2),
        ]
    )


def _digest(number: int, seed: int) -> str:
    rng = np.random.default_rng(0)
    data = ArrayDataset(rng.random((80, 6, 6, 3)).astype("f4"), np.arange(80) % 2)
    model = LotteryModel(network(number), data, SHORT, seed=seed, initial_weights="redraw")
    model.one_shot(0.5)
    digest = hashlib.sha256()
    for level in model.trained_levels:
        for address, values in sorted(level.weights.items()):
            digest.update(address.encode() + values.tobytes())
        digest.update(str(level.result.final).encode())
    return digest.hexdigest()


def _image_block(rng: np.random.Generator, depth: int) -> keras.Layer:
    kinds = [
        lambda: layers.Conv2D(3, 3, padding="same", activation="relu", **LAST),
        lambda: layers.DepthwiseConv2D(3, padding="same", **LAST),
        lambda: layers.SeparableConv2D(3, 3, padding="same", **LAST),
        lambda: layers.SpectralNormalization(layers.Conv2D(3, 3, padding="same", **LAST)),
        layers.BatchNormalization,
        layers.PReLU,
        lambda: layers.Dropout(0.2),
        lambda: layers.SpatialDropout2D(0.2, **LAST),
        lambda: layers.GaussianNoise(0.1),
        lambda: layers.RandomFlip("horizontal", **LAST),
        lambda: layers.RandomTranslation(0.1, 0.1, **LAST),
        lambda: layers.TimeDistributed(layers.LSTM(3, return_sequences=True, dropout=0.2)),
    ]
    if depth == 0:
        return _frozen(rng, kinds[rng.integers(len(kinds))]())
    inner = [_image_block(rng, depth - 1) for _ in range(rng.integers(1, 3))]
    if rng.random() < 0.5:
        return _frozen(rng, keras.Sequential(inner))
    inputs = keras.Input((6, 6, 3))
    outputs = inputs
    for layer in inner:
        outputs = layer(outputs)
    return keras.Model(inputs, layers.Add()([inputs, outputs]))


def _flat_block(rng: np.random.Generator, depth: int) -> keras.Layer:
    kinds = [
        lambda: layers.Dense(5, "relu"),
        lambda: layers.SpectralNormalization(layers.Dense(5)),
        layers.LayerNormalization,
        layers.BatchNormalization,
        lambda: layers.AlphaDropout(0.1),
        lambda: layers.GaussianDropout(0.1),
    ]
    if depth == 0:
        return _frozen(rng, kinds[rng.integers(len(kinds))]())
    return keras.Sequential([_flat_block(rng, depth - 1) for _ in range(rng.integers(1, 3))])


def _frozen(rng: np.random.Generator, layer: keras.Layer) -> keras.Layer:
    layer.trainable = rng.random() < 0.8
    return layer


if __name__ == "__main__":
    print(json.dumps({number: digests(int(number)) for number in sys.argv[1:]}))
