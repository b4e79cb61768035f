"""The work of all contestants: the papers' LeNet-300-100 on MNIST, and Conv-2 on CIFAR-10."""

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
"""The number of training images for convolutions, which are slow."""
HELD = 120
"""The number of validation images for convolutions, and of test images."""
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
    """The spec of the work. The engine reads it; the other contestants implement the same work."""
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
    """MNIST, or random data of the same shape if MNIST is not available."""
    try:
        directory = os.environ.get("LTH_DATASETS_DIR")
        return job("lenet", 1).dataset.load(Path(directory) if directory else None)
    except DatasetMissing:
        return made_up((28, 28, 1), 60_000, 10_000)


def made_up(shape: tuple[int, ...], train: int, test: int) -> Arrays:
    """Noise with a bright spot for each class, as bytes of this shape."""
    rng = np.random.default_rng(0)
    spots = rng.integers(0, 2, (10, *shape), np.uint8) * 120
    labels = rng.integers(0, 10, train + test, np.int32)
    x = rng.integers(0, 120, (train + test, *shape), np.uint8) + spots[labels]
    return Arrays(x[:train], labels[:train], x[train:], labels[train:], scale=255.0)


def cifar() -> Arrays:
    """A small random data set in the shape of CIFAR-10, because convolutions are slow."""
    return made_up((32, 32, 3), IMAGES + HELD, HELD)
