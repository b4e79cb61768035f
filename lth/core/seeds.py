"""Randomness by purpose: one seed a trial, one independent stream for each use of it.

A stream is named by its purpose and by whole numbers such as level and epoch, so any of them can
be replayed alone, in any order, on any worker. Nothing here is global.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream of random numbers is for; the numbers are part of the engine's contract."""

    INITIAL_WEIGHTS = 1
    DATA_ORDER = 2
    LAYER_NOISE = 3
    """Dropout and every other layer that draws while it trains."""
    REINIT = 4
    TIES = 5
    SPLIT = 6
    AUGMENTATION = 7
    CONTROL = 8
    CRITERION = 9


def trial_seed(seed: int, trial: int) -> int:
    """The seed of a trial (1, 2, ...): independent of the others', the same in any order.

    It has 63 bits, so that a database holds it as a signed whole number.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(trial,))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, purpose: Purpose, *path: int) -> np.random.Generator:
    """The stream for `purpose` at `path`, for example ``(level, epoch)``."""
    sequence = np.random.SeedSequence(seed, spawn_key=(int(purpose), *path))
    return np.random.Generator(np.random.PCG64(sequence))
