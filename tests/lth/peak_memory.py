"""Prints the peak memory of experiments by the number of rewind points, as JSON.

``python -m tests.lth.peak_memory POINTS...``: for each number the peak of the dense training, and
that of an experiment that goes on from it, in bytes; and how many bytes the last checkpoints have.
"""

import json
import sys
from pathlib import Path

from lth.engine.observer import Inputs, Silent
from lth.spec.document import parse_spec
from lth.spec.plan import plan
from lth.study.execution import execute

_UNITS = 700
_NETWORK = [
    "flatten",
    {"kind": "linear", "units": _UNITS, "activation": "relu"},
    {"kind": "linear", "units": _UNITS, "activation": "relu"},
    {"kind": "linear", "units": 10},
]
SNAPSHOT = 4 * ((64 + 1) * _UNITS + (_UNITS + 1) * _UNITS + (_UNITS + 1) * 10)
"""Bytes of the weights at one point."""


class _Saving(Silent):
    """Takes every checkpoint, as a worker that saves them."""

    size = 0

    def checkpoint(self, content) -> None:
        made = content()
        self.size = len(made) if isinstance(made, bytes) else made.seek(0, 2)


def _measured(points: int) -> dict[str, int]:
    experiments = [
        {"name": f"from-{step}", "reinit": {"kind": "rewind", "to": f"{step}it"}}
        for step in range(1, points + 1)
    ]
    spec = parse_spec(
        {
            "kind": "session",
            "network": {"kind": "layers", "layers": _NETWORK},
            "training": {"duration": "160it", "evaluate_every": "40it"},
            "experiments": experiments,
        }
    )
    data, (trunk, first, *_) = spec.dataset.load(None), plan(spec)
    dense, forked = _Saving(), _Saving()
    _forget_the_peak()
    made = execute(spec, trunk, Inputs(data), dense).trunk
    peak = _peak()
    _forget_the_peak()
    execute(spec, first, Inputs(data, trunk=made), forked)
    return {
        "dense": peak,
        "forked": _peak(),
        "dense checkpoint": dense.size,
        "forked checkpoint": forked.size,
    }


def _forget_the_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    _measured(1)  # What is compiled and allocated once is no part of the comparison.
    print(json.dumps([_measured(int(points)) for points in sys.argv[1:]]))
