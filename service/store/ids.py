"""Identifiers that sort by creation time (RFC 9562, UUID version 7).

The time is that of Postgres' clock, because clocks of hosts may differ.
"""

import secrets
import time
import uuid
from datetime import datetime

_ahead: list[int] = [0]
"""Nanoseconds by which Postgres' clock is ahead of the clock of this host."""
_SAME = 1_000_000_000
"""Smaller differences of clocks, in nanoseconds, are ignored: they may be network time."""


def heard(moment: datetime) -> None:
    """Record the current time of Postgres' clock."""
    ahead = round(moment.timestamp() * 1e9) - time.time_ns()
    if abs(ahead - _ahead[0]) > _SAME:
        _ahead[0] = ahead if abs(ahead) > _SAME else 0


def uuid7() -> uuid.UUID:
    """A new UUID: 48 bits of milliseconds, 12 bits of their fraction, 62 random bits."""
    nanoseconds = time.time_ns() + _ahead[0]
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    number = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return uuid.UUID(int=number)


def job_id() -> str:
    """A new job id; later ids sort after earlier ones."""
    return f"job_{uuid7().hex}"


def job_ids_from(moment: datetime, seconds: float = 0.0) -> str:
    """The smallest id of jobs created `seconds` after a moment or later."""
    return f"job_{max(int((moment.timestamp() + seconds) * 1000), 0):012x}"
