"""The number of samples that an evaluation computes at once."""

from collections.abc import Iterable

_MOST = 1_000
_MOST_BYTES = 2 << 30


def evaluation_batch(sizes: Iterable[int], batch_size: int) -> int:
    """The samples of a batch of an evaluation.

    It depends on the network alone, because sums over other batches would differ in their last
    bits. Networks with few numbers for a sample take 1,000 samples at once; others take fewer, but
    not fewer than in training.

    Args:
        sizes: for each layer, the numbers of a sample that enter and leave it.
        batch_size: the batch size of the training.
    """
    fit = _MOST_BYTES // (4 * max(sizes))
    return min(_MOST, max(fit, batch_size))
