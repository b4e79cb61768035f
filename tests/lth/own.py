"""A user's own network and data, as small as possible, and a helper for refused arguments."""

import keras
import numpy as np
import pytest

from lth import ArrayDataset, LotteryLinear, SpecError, Training

RNG = np.random.default_rng(0)
X = RNG.random((300, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 1).astype(int)
OWN = ArrayDataset(X, Y)
SHORT = Training.model_validate({"duration": "4ep", "batch_size": 20})


def small() -> keras.Sequential:
    return keras.Sequential([LotteryLinear(16, "relu"), LotteryLinear(2)])


def refused(complaint, call, *args, **fields):
    with pytest.raises(SpecError, match=complaint):
        call(*args, **fields)
