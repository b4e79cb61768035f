"""The work that every contestant does: the papers' LeNet-300-100 on MNIST, and Conv-2 on CIFAR."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from lth.core.errors import DatasetMissing
from lth.datasets import Arrays
from lth.spec.document import Spec, parse_spec

BATCH = 60
RATE = 1.2e-3
VALIDATION = 5_000
IMAGES = 2_400
"""For training convolutions, which take their time."""
HELD = 120
"""Of the few images for convolutions: for validation, and as many for testing."""
TRIALS = 5

_PLAIN: list[Any] = [
    "flatten",
    {"kind": "linear", "units": 300, "activation": "relu"},
    {"kind": "linear", "units": 100, "activation": "relu"},
    {"kind": "linear", "units": 10},
]
_NOISE: list[Any] = ["batch_normalization", {"kind": "dropout", "rate": 0.2}]
NETWORKS: dict[str, Any] = {
    "lenet": {"kind": "layers", "layers": _PLAIN},
    "lenet-noise": {
        "kind": "layers",
        "layers": [*_PLAIN[:2], *_NOISE, _PLAIN[2], *_NOISE, _PLAIN[3]],
    },
    "conv-2": {"kind": "conv-2"},
}


def job(network: str, epochs: int, **more: Any) -> Spec:
    """The spec of a contestant's work; the engine reads it, the others are written to match."""
    convolves = network == "conv-2"
    dataset = {"kind": "cifar10", "validation": HELD, "normalisation": "unit"}
    document = {
        "kind": "session",
        "plots": "none",
        "dataset": dataset if convolves else {"kind": "mnist", "validation": VALIDATION},
        "network": NETWORKS[network],
        "training": {
            "optimizer": {"kind": "adam", "learning_rate": 2e-4 if convolves else RATE},
            "batch_size": BATCH,
            "duration": f"{epochs}ep",
        },
        "experiments": [{"name": "ticket"}],
    }
    return parse_spec({**document, **more})


def mnist() -> Arrays:
    """MNIST, or data of its shape where it cannot be had."""
    try:
        directory = os.environ.get("LTH_DATASETS_DIR")
        return job("lenet", 1).dataset.load(Path(directory) if directory else None)
    except DatasetMissing:
        return made_up((28, 28, 1), 60_000, 10_000)


def made_up(shape: tuple[int, ...], train: int, test: int) -> Arrays:
    """Classes that differ by a bright spot in noise, bytes of this shape."""
    rng = np.random.default_rng(0)
    spots = rng.integers(0, 2, (10, *shape), np.uint8) * 120
    labels = rng.integers(0, 10, train + test, np.int32)
    x = rng.integers(0, 120, (train + test, *shape), np.uint8) + spots[labels]
    return Arrays(x[:train], labels[:train], x[train:], labels[train:], scale=255.0)


def cifar() -> Arrays:
    """A little made-up data of CIFAR-10's shape: convolutions take their time."""
    return made_up((32, 32, 3), IMAGES + HELD, HELD)
