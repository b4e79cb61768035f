"""The errors of the library.

LotteryError
├── SpecError            a spec, or a value given to the library, is wrong
│   ├── DatasetMissing   the file of the data set is not available
│   └── NothingToPrune   the network has no prunable weight
├── CheckpointUnreadable a checkpoint has another version
├── Diverged             a loss or a weight became NaN or infinite
└── Stopped              an observer stopped the training
"""


class LotteryError(Exception):
    """Base of the library's errors. The message says what is wrong and what would be right."""


class SpecError(LotteryError, ValueError):
    """A spec or an argument is wrong."""


class DatasetMissing(SpecError):
    """The data set is known, but its file was not found."""


class NothingToPrune(SpecError):
    """The network has no lottery layer, so there is nothing to prune."""


class CheckpointUnreadable(LotteryError):
    """Another version of the library wrote the checkpoint."""


class Diverged(LotteryError):
    """A loss or a weight is not finite.

    Args:
        what: what happened; the message adds advice.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; a smaller learning rate or a warm-up may help")


class Stopped(LotteryError):
    """The observer of a training stopped it (cancellation, lost lease, or shutdown)."""
