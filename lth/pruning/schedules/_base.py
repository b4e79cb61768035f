"""The contract of a schedule."""

from typing import Protocol


class ScheduleContract(Protocol):
    """The contract of a schedule: its `kind`, its parameters, and its densities."""

    def densities(self, rate: float) -> tuple[float, ...]:
        """The densities of a layer at levels 1, 2, ..., each in (0, 1] and not increasing.

        Args:
            rate: the layer's rate, in [0, 1]; 0 leaves the layer dense.
        """
        ...


class Once:
    """A schedule of one round, for pruning step by step.

    Args:
        schedule: a schedule of one round.
        level: the level after the round.
    """

    def __init__(self, schedule: ScheduleContract, level: int) -> None:
        self._schedule, self._level = schedule, level

    def densities(self, rate: float) -> tuple[float, ...]:
        return self._schedule.densities(rate) * self._level
