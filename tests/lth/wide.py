"""A spec with few parameters whose runs need much memory."""

from typing import Any

GIB = 1 << 30
WIDE_NETWORK: dict[str, Any] = {
    "kind": "layers",
    "layers": [
        {"kind": "conv2d", "filters": 60_000, "kernel_size": 1},
        "global_average_pooling2d",
        {"kind": "linear", "units": 10},
    ],
}
"""It has 720,000 parameters, and 60,000 outputs for each pixel of a sample."""
WIDE: dict[str, Any] = {
    "kind": "model",
    "dataset": "mnist",
    "network": WIDE_NETWORK,
    "training": {"batch_size": 200},
}
