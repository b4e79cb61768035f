"""Decides when a request is repeated."""

import random
from dataclasses import dataclass

import httpx

_BUSY = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """The retries of a client.

    Attributes:
        attempts: the most attempts; 1 for no retry.
        first, longest: seconds between attempts. They are doubled after each attempt, and shortened
            at random, so that clients do not retry at the same time.
    """

    attempts: int = 6
    first: float = 0.2
    longest: float = 8.0

    def wait(self, attempt: int, answer: httpx.Response | None = None) -> float:
        """Seconds to wait after an attempt, counted from 1; `Retry-After` has priority."""
        said = answer.headers.get("Retry-After", "") if answer is not None else ""
        if said.isdigit():
            return min(float(said), 60.0)
        most = min(self.first * 2 ** (attempt - 1), self.longest)
        return most * random.uniform(0.5, 1.0)  # noqa: S311


def should_retry(answer: httpx.Response) -> bool:
    """Whether the same request may succeed later.

    The response to an exceeded rate limit has `Retry-After`. The response to an exceeded quota does
    not, because the owner must first delete something.
    """
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return "Retry-After" in answer.headers
    return answer.status_code in _BUSY
