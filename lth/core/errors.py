"""Every error the library raises on purpose.

LotteryError
├── SpecError            a spec, or a value given to the library, is wrong
│   ├── DatasetMissing   the data set's file cannot be had here
│   └── NothingToPrune   a network has no prunable weight
├── CheckpointUnreadable a checkpoint is of another version
├── Diverged             a loss or a weight became NaN or infinite
└── Stopped              an observer asked the training to stop
"""


class LotteryError(Exception):
    """Base of the library's errors; the message says what was wrong and what would be right."""


class SpecError(LotteryError, ValueError):
    """A spec or an argument is wrong."""


class DatasetMissing(SpecError):
    """A data set is known, but its file is nowhere to be had."""


class NothingToPrune(SpecError):
    """A network has no lottery layer, so pruning it would silently do nothing."""


class CheckpointUnreadable(LotteryError):
    """A checkpoint was written by another version of the library; nothing else is wrong with it."""


class Diverged(LotteryError):
    """A loss or a weight is no longer finite.

    Args:
        what: what happened; what may help is added to it.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; a smaller learning rate or a warm-up may help")


class Stopped(LotteryError):
    """The observer of a training asked it to stop (a cancel, a lost lease, a shutdown)."""
