"""A small experiment on real data for many tests."""

import keras
import numpy as np

from lth.engine.layers import LotteryLinear
from lth.engine.observer import Outcome, Publisher
from lth.results.layers import layer_table
from lth.training.settings import Training

TRAINING = Training.model_validate(
    {
        "duration": "3ep",
        "evaluate_every": "13it",
        "optimizer": {"kind": "adam", "learning_rate": 0.005},
    }
)


def network(*between: keras.Layer) -> keras.Sequential:
    """Two lottery layers for the digits, with any layers between them."""
    return keras.Sequential(
        [keras.layers.Flatten(), LotteryLinear(24, activation="relu"), *between, LotteryLinear(10)]
    )


def noisy_network() -> keras.Sequential:
    """The same with batch normalisation and dropout of Keras, whose state changes in training."""
    return network(keras.layers.BatchNormalization(), keras.layers.Dropout(0.3))


def same(one: dict, other: dict) -> bool:
    """Whether two sets of named arrays are bitwise equal."""
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) for name in one
    )


def layer_densities(masks: dict) -> dict[str, float]:
    """The kept share of the weights of each layer."""
    return {layer.name: layer.density for layer in layer_table(masks)}


class Recorder(Publisher):
    """An observer that records all checkpoints, all progress and all that is published."""

    def __init__(self) -> None:
        self.published: list[Outcome] = []
        self.checkpoints: list[bytes] = []
        self.progress_seen: list = []

    def progress(self, progress) -> None:
        self.progress_seen.append(progress)

    def checkpoint(self, content) -> None:
        self.checkpoints.append(content().read())

    def publish(self, outcome: Outcome) -> None:
        self.published.append(outcome)
