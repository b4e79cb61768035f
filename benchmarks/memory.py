"""Compares `lth.spec.memory.estimate_memory` with the memory that runs use.

Each network is trained in a process of its own, whose peak is read from the kernel.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from rich.console import Console
from rich.table import Table

from lth.engine.observer import Publisher
from lth.spec.document import Spec, parse_spec
from lth.spec.memory import estimate_memory

_TOO_LOW, _TOO_HIGH = 0.9, 2.0
"""The least and the largest estimate, as a share of the measured peak."""
_MIB = 1 << 20
_ONE_THREAD = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def _spec(shape: tuple[int, ...], layers: list[Any], batch: int, training: dict[str, Any]) -> Spec:
    layers = [*layers, {"kind": "linear", "units": 10}]
    return _document(shape, {"kind": "layers", "layers": layers}, batch, training)


def _document(shape: tuple[int, ...], network: Any, batch: int, training: dict[str, Any]) -> Spec:
    facts = {"shape": shape, "classes": 10, "train": 4_000, "test": 1_000}
    dataset = {"kind": "uploaded", "id": "ds_" + "0" * 32, "digest": "0" * 64, "facts": facts}
    return parse_spec(
        {
            "kind": "model",
            "pruning": {"schedule": {"kind": "geometric", "fraction": 0.5, "rounds": 2}},
            "dataset": dataset,
            "network": network,
            "training": {"batch_size": batch, "duration": "3it", **training},
        }
    )


def dense(*units: int, batch: int = 60, between: tuple[Any, ...] = (), **training: Any) -> Spec:
    """A dense network on MNIST-like images."""
    layers: list[Any] = ["flatten"]
    for number in units:
        layers += [{"kind": "linear", "units": number, "activation": "relu"}, *between]
    return _spec((28, 28, 1), layers, batch, training)


def convolutions(
    *filters: int,
    batch: int = 60,
    shape: tuple[int, int, int] = (32, 32, 3),
    window: int = 3,
    strides: int = 1,
    between: tuple[Any, ...] = (),
    **training: Any,
) -> Spec:
    """Convolutions, each followed by other layers, and a dense layer."""
    layers: list[Any] = []
    for number in filters:
        convolution = {"kind": "conv2d", "filters": number, "activation": "relu"}
        layers += [{**convolution, "kernel_size": window, "strides": strides}, *between]
    return _spec(shape, [*layers, "global_average_pooling2d"], batch, training)


def named(network: str, batch: int) -> Spec:
    """A network of the papers on images like those of CIFAR-10."""
    return _document((32, 32, 3), network, batch, {})


NORMALISED = ("batch_normalization",)
NOISY = ("batch_normalization", {"kind": "dropout", "rate": 0.3})
POOLED = ({"kind": "max_pooling2d"},)

SPECS = {
    "dense 300-100, batch 60": dense(300, 100),
    "dense 300-100, batch 1,000": dense(300, 100, batch=1_000),
    "dense 4,000-4,000, batch 60": dense(4_000, 4_000),
    "dense 4,000-4,000, batch 1,000": dense(4_000, 4_000, batch=1_000),
    "dense 6 x 2,000, normalized, noisy, batch 1,000": dense(
        *[2_000] * 6, batch=1_000, between=NOISY
    ),
    "dense 12 x 500, momentum, batch 1,000": dense(
        *[500] * 12, batch=1_000, optimizer={"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9}
    ),
    "Conv-2, batch 60": named("conv-2", 60),
    "Conv-2, batch 500": named("conv-2", 500),
    "Conv-6, batch 60": named("conv-6", 60),
    "Conv-6, batch 250": named("conv-6", 250),
    "3x3 convolutions 4 x 64, batch 128": convolutions(64, 64, 64, 64, batch=128),
    "3x3 convolutions 4 x 64, normalized, noisy, batch 128": convolutions(
        64, 64, 64, 64, batch=128, between=NOISY
    ),
    "3x3 convolutions 2 x 32, pooled, augmented, batch 1,000": convolutions(
        32, 32, batch=1_000, between=POOLED, augmentation="flip_crop"
    ),
    "3x3 convolution of 512, batch 60": convolutions(512, batch=60),
    "1x1 convolution of 2,000, batch 100": convolutions(
        2_000, batch=100, shape=(28, 28, 1), window=1
    ),
    "5x5 convolutions 2 x 128, strides 2, batch 250": convolutions(
        128, 128, batch=250, window=5, strides=2
    ),
}


def measured_peak(spec: Spec) -> int:
    """The peak of a process that executes a run of a spec, in bytes."""
    environment = os.environ | dict.fromkeys(_ONE_THREAD, "1")
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.memory", "run"]
    document = spec.model_dump_json()
    done = subprocess.run(
        command, input=document, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return int(done.stdout.splitlines()[-1])


def main() -> bool:
    """Print the table; return whether all estimates are within their bounds."""
    table = Table("network", "estimate", "measured", "ratio", "most is for")
    good = True
    for name, spec in SPECS.items():
        estimate, measured = estimate_memory(spec), measured_peak(spec)
        ratio = estimate.total / measured
        good &= _TOO_LOW <= ratio <= _TOO_HIGH
        table.add_row(
            name,
            f"{estimate.total / _MIB:,.0f} MiB",
            f"{measured / _MIB:,.0f} MiB",
            f"{ratio:.2f}",
            estimate.layer,
        )
    Console().print(table)
    return good


class _Saving(Publisher):
    """Serializes every checkpoint, as a worker does."""

    def checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        content().close()


def _run() -> None:
    """Execute a run of the spec that the standard input gives; print the peak in bytes."""
    import resource

    import numpy as np

    from lth.datasets import Arrays
    from lth.engine.observer import Inputs
    from lth.spec.plan import plan
    from lth.study.execution import execute

    spec = parse_spec(json.load(sys.stdin))
    facts, rng = spec.dataset.facts, np.random.default_rng(0)
    x = rng.integers(0, 256, (facts.train + facts.test, *facts.shape), np.uint8)
    y = rng.integers(0, facts.classes, len(x)).astype(np.int32)
    train = facts.train
    arrays = Arrays(x[:train], y[:train], x[train:], y[train:], scale=255.0)
    [run] = plan(spec)
    execute(spec, run, Inputs(arrays), _Saving())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    if sys.argv[1:] == ["run"]:
        _run()
    else:
        sys.exit(not main())
