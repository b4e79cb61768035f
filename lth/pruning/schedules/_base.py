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


class Once:
    """A schedule whose only round is the one to be done now, for pruning by hand.

    Args:
        schedule: of one round.
        level: the level that it leads to.
    """

    def __init__(self, schedule: ScheduleContract, level: int) -> None:
        self._schedule, self._level = schedule, level

    def densities(self, rate: float) -> tuple[float, ...]:
        return self._schedule.densities(rate) * self._level
