"""Prints the peak memory of experiments by the number of rewind points, as JSON.

``python -m tests.lth.peak_memory POINTS...``: for each number, the peak of the dense training, the
peak of an experiment that continues from it, and the size of their last checkpoints, in bytes.
"""

import json
import sys
from pathlib import Path

from lth.engine.observer import Inputs, Publisher
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
"""The bytes of the weights at one rewind point."""


class _Saving(Publisher):
    """Serializes every checkpoint, as a worker does."""

    size = 0

    def checkpoint(self, content) -> None:
        saved = content()
        self.size = len(saved) if isinstance(saved, bytes) else saved.seek(0, 2)


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
    _reset_peak()
    checkpoint = execute(spec, trunk, Inputs(data), dense).trunk
    peak = _peak()
    _reset_peak()
    execute(spec, first, Inputs(data, trunk=checkpoint), forked)
    return {
        "dense": peak,
        "forked": _peak(),
        "dense checkpoint": dense.size,
        "forked checkpoint": forked.size,
    }


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    _measured(1)  # The first run compiles and allocates; it is not compared.
    print(json.dumps([_measured(int(points)) for points in sys.argv[1:]]))
