"""How many connections, requests and streams of events a process of the API serves at once."""

from dataclasses import dataclass
from typing import Self

from service.settings import Settings

_OWN_DESCRIPTORS = 128
"""For Postgres, Redis, the object store, logs and the process that draws."""
_MOST_CONNECTIONS = 10_000
_LEAST_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a process.

    Attributes:
        connections: open connections, in total.
        of_address: those of one client address that have sent no valid key.
        requests: requests under way, in total. The other connections are a reserve, so that health
            checks are always answered.
        of_owner: requests under way of one owner.
        streams: streams of events, in total; they are requests under way, too.
        streams_of_owner: streams of events of one owner.
        head_seconds: how long a connection may take to send the head of its next request.
        stalled_seconds: how long a client may neither send nor read what the API waits for.
    """

    connections: int
    of_address: int
    requests: int
    of_owner: int
    streams: int
    streams_of_owner: int
    head_seconds: float
    stalled_seconds: float

    @classmethod
    def of(cls, settings: Settings, descriptors: int) -> Self:
        """Choose the bounds for a process that may open so many files.

        A connection needs one descriptor, and may need a second one for the file that it sends.
        """
        possible = max((descriptors - _OWN_DESCRIPTORS) // 2, _LEAST_CONNECTIONS)
        connections = min(settings.max_connections or _MOST_CONNECTIONS, possible)
        streams = connections // 2
        return cls(
            connections=connections,
            of_address=min(settings.max_address_connections or connections // 4, connections),
            requests=connections - max(connections // 10, 2),
            of_owner=connections // 2,
            streams=streams,
            streams_of_owner=min(settings.event_streams, streams // 2),
            head_seconds=settings.head_seconds,
            stalled_seconds=settings.stalled_seconds,
        )
