"""The memory that runs of random networks use never exceeds their estimate by more than 10 %."""

from typing import Any

import numpy as np
import pytest

from benchmarks.memory import measured_peak
from lth.spec.document import Spec, parse_spec
from lth.spec.memory import estimate_memory

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]

MOST = 5_000_000_000
"""Networks that need more are not drawn, so that the test runs on small machines."""


@pytest.mark.parametrize("number", range(6))
def test_no_random_network_exceeds_its_estimate(number: int) -> None:
    spec = random_spec(np.random.default_rng(number))
    estimate = estimate_memory(spec).total
    measured = measured_peak(spec)
    assert measured <= 1.1 * estimate, (measured / estimate, spec.model_dump_json())


def random_spec(rng: np.random.Generator) -> Spec:
    """A spec with a random network, data set, batch and optimizer, within the limit `MOST`."""
    while True:
        spec = _drawn(rng)
        if estimate_memory(spec).total <= MOST:
            return spec


def _drawn(rng: np.random.Generator) -> Spec:
    side, channels = int(rng.choice([8, 16, 28, 32])), int(rng.choice([1, 3]))
    layers: list[Any] = []
    for _ in range(rng.integers(0, 4)):
        layers += _convolutional(rng)
    layers.append("flatten" if rng.random() < 0.5 else "global_average_pooling2d")
    for _ in range(rng.integers(0, 4)):
        layers += _dense(rng)
    optimizers = [
        {"kind": "adam", "learning_rate": 1e-3},
        {"kind": "sgd", "learning_rate": 1e-2},
        {"kind": "sgd", "learning_rate": 1e-2, "momentum": 0.9},
    ]
    facts = {
        "shape": [side, side, channels],
        "classes": 10,
        "train": int(rng.integers(1_000, 8_000)),
        "test": int(rng.integers(200, 2_000)),
    }
    dataset = {"kind": "uploaded", "id": "ds_" + "0" * 32, "digest": "0" * 64, "facts": facts}
    return parse_spec(
        {
            "kind": "model",
            "dataset": dataset,
            "network": {
                "kind": "layers",
                "layers": [*layers, {"kind": "linear", "units": 10}],
            },
            "training": {
                "batch_size": int(rng.choice([16, 60, 200, 900])),
                "duration": "4it",
                "optimizer": optimizers[rng.integers(len(optimizers))],
                "augmentation": "flip_crop" if rng.random() < 0.3 else "none",
            },
            "pruning": {"schedule": {"kind": "geometric", "fraction": 0.5, "rounds": 2}},
        }
    )


def _convolutional(rng: np.random.Generator) -> list[Any]:
    convolution = {
        "kind": "conv2d",
        "filters": int(2 ** rng.uniform(2, 9)),
        "kernel_size": int(rng.choice([1, 3, 5])),
        "strides": int(rng.choice([1, 1, 2])),
        "activation": [None, "relu", "tanh"][rng.integers(3)],
    }
    return [convolution, *_between(rng)]


def _dense(rng: np.random.Generator) -> list[Any]:
    units = int(2 ** rng.uniform(3, 12))
    activation = [None, "relu", "tanh"][rng.integers(3)]
    return [{"kind": "linear", "units": units, "activation": activation}, *_between(rng)]


def _between(rng: np.random.Generator) -> list[Any]:
    parts = ["batch_normalization", {"kind": "dropout", "rate": 0.3}]
    return [part for part in parts if rng.random() < 0.3]
