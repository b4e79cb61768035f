"""Random streams by purpose, all derived from the seed of the trial.

The name of a stream is its purpose and numbers such as level and epoch. Each stream can be replayed
alone, in any order, on any worker. There is no global random state.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """The purposes of random streams. Their numbers determine results and never change."""

    INITIAL_WEIGHTS = 1
    DATA_ORDER = 2
    LAYER_NOISE = 3
    """Dropout and all other layers that draw random numbers during training."""
    REINIT = 4
    TIES = 5
    SPLIT = 6
    AUGMENTATION = 7
    CONTROL = 8
    CRITERION = 9


def trial_seed(seed: int, trial: int) -> int:
    """The seed of a trial (1, 2, ...), independent of the seeds of other trials.

    It has 63 bits, so a database can store it as a signed integer.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(trial,))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, purpose: Purpose, *path: int) -> np.random.Generator:
    """The random stream for `purpose` at `path`, for example ``(level, epoch)``."""
    sequence = np.random.SeedSequence(seed, spawn_key=(int(purpose), *path))
    return np.random.Generator(np.random.PCG64(sequence))
