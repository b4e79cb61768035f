"""Identifiers that sort by time of creation (RFC 9562, UUID version 7).

The time is Postgres' as far as this process knows it: hosts need not agree on the time.
"""

import secrets
import time
import uuid
from datetime import datetime

_ahead: list[int] = [0]
"""Nanoseconds by which Postgres' clock is ahead of this host's."""
_SAME = 1_000_000_000
"""Nanoseconds. Clocks differ by no less: a smaller difference is the time that an answer takes."""


def heard(moment: datetime) -> None:
    """Note that Postgres' clock has just shown this moment."""
    ahead = round(moment.timestamp() * 1e9) - time.time_ns()
    if abs(ahead - _ahead[0]) > _SAME:
        _ahead[0] = ahead if abs(ahead) > _SAME else 0


def uuid7() -> uuid.UUID:
    """A fresh id: 48 bits of milliseconds, 12 of the fraction of one, 62 random bits."""
    nanoseconds = time.time_ns() + _ahead[0]
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    number = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return uuid.UUID(int=number)


def job_id() -> str:
    """A fresh name for a job; later ones sort after earlier ones."""
    return f"job_{uuid7().hex}"


def job_ids_from(moment: datetime, seconds: float = 0.0) -> str:
    """What sorts before the jobs made `seconds` after a moment, or later, and after all others."""
    return f"job_{max(int((moment.timestamp() + seconds) * 1000), 0):012x}"
