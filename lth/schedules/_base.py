"""The contract of a schedule."""

from typing import Protocol


class ScheduleContract(Protocol):
    """A schedule's `kind`, its parameters, and the densities that follow from them."""

    def densities(self, rate: float) -> tuple[float, ...]:
        """The density of a layer at levels 1, 2, ..., each in (0, 1] and not increasing.

        Args:
            rate: the layer's multiple of the schedule's fraction, in [0, 1]; 0 leaves it dense.
        """
        ...
