"""A schedule that a notebook gives as an object."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

from lth.core.external import External


class ExternalSchedule(External):
    """A schedule of the user: an object with the method `ScheduleContract.densities`."""

    family: ClassVar[str] = "schedule"
    method: ClassVar[str] = "densities"

    at_full_rate: tuple[float, ...]

    @classmethod
    def facts(cls, value: Any) -> Mapping[str, Any]:
        densities = tuple(float(each) for each in value.densities(1.0))
        falling = all(a >= b for a, b in pairwise(densities))
        if not densities or not falling or not all(0 < each <= 1 for each in densities):
            raise ValueError(
                f"the schedule {value!r} has the densities {densities}; expected at least one, "
                "each in (0, 1] and not increasing"
            )
        return {"at_full_rate": densities}

    def densities(self, rate: float) -> tuple[float, ...]:
        if rate == 1.0:
            return self.at_full_rate
        densities = tuple(float(each) for each in self.call(rate))
        if len(densities) != len(self.at_full_rate) or not all(0 < each <= 1 for each in densities):
            raise self.wrong(
                f"the densities {densities} for the rate {rate:g}",
                f"{len(self.at_full_rate)} of them, each in (0, 1]",
            )
        return densities
