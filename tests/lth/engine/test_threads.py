"""The bytes of a dense network are reproducible, and may depend on the number of threads.

With AVX-512, the matrix products of XLA are the same for every number of threads. With only AVX2
they are not, so equal bytes need an equal number of threads.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

TRAINING = """
import hashlib
import numpy as np
import lth

rng = np.random.default_rng(0)
x, y = rng.random((300, 28, 28, 1)), rng.integers(0, 10, 300)
data = lth.ArrayDataset(x, y, x[:100], y[:100], validation=60)
model = lth.LotteryModel("lenet-300-100", data, lth.Training(duration="2ep"))
model.one_shot(0.5)
told = hashlib.sha256()
for weights in model.trained_levels[-1].weights.values():
    told.update(weights.tobytes())
print(told.hexdigest())
"""


@cache
def trained(threads: int, turn: int = 0) -> str:
    """The digest of the weights; each turn runs in its own process."""
    number = {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)}
    command = [sys.executable, "-c", TRAINING]
    done = subprocess.run(
        command, env={**os.environ, **number}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def has_avx512() -> bool:
    return " avx512f " in Path("/proc/cpuinfo").read_text()


def test_a_dense_network_has_the_same_bytes_with_one_thread_and_with_two_on_avx512() -> None:
    first = 1 if has_avx512() else 2
    assert trained(first) == trained(threads=2, turn=1)


def test_a_dense_network_has_the_same_bytes_with_one_thread_every_time() -> None:
    assert trained(threads=1) == trained(threads=1, turn=1)
