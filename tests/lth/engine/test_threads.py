"""A dense network's bytes do not depend on how many threads train it."""

import os
import subprocess
import sys

TRAINING = """
import hashlib
import numpy as np
import lth

rng = np.random.default_rng(0)
x, y = rng.random((600, 28, 28, 1)), rng.integers(0, 10, 600)
data = lth.ArrayDataset(x, y, x[:100], y[:100], validation=60)
model = lth.LotteryModel("lenet-300-100", data, lth.Training(duration="2ep"))
model.one_shot(0.5)
told = hashlib.sha256()
for weights in model.trained_levels[-1].weights.values():
    told.update(weights.tobytes())
print(told.hexdigest())
"""


def trained(threads: int) -> str:
    number = {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)}
    command = [sys.executable, "-c", TRAINING]
    done = subprocess.run(
        command, env={**os.environ, **number}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_dense_network_has_the_same_bytes_with_one_thread_and_with_two() -> None:
    assert trained(threads=1) == trained(threads=2)
