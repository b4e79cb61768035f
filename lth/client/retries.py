"""When to send a request again, and after how long."""

import random
from dataclasses import dataclass

import httpx

_BUSY = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient a client is.

    Attributes:
        attempts: in all; 1 for no second one.
        first, longest: seconds between attempts: doubled each time, and shortened at random, so
            that clients that failed together do not come back together.
    """

    attempts: int = 6
    first: float = 0.2
    longest: float = 8.0

    def wait(self, attempt: int, answer: httpx.Response | None = None) -> float:
        """Seconds to wait after an attempt, counted from 1; as long as the service says, if so."""
        said = answer.headers.get("Retry-After", "") if answer is not None else ""
        if said.isdigit():
            return min(float(said), 60.0)
        most = min(self.first * 2 ** (attempt - 1), self.longest)
        return most * random.uniform(0.5, 1.0)  # noqa: S311


def worth_repeating(answer: httpx.Response) -> bool:
    """Whether the same request may be answered otherwise in a moment.

    A used up rate says when; a used up quota does not, as it takes a person to make room.
    """
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return "Retry-After" in answer.headers
    return answer.status_code in _BUSY
