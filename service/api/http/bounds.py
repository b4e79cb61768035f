"""The most connections, requests and event streams of an API process at once."""

from dataclasses import dataclass
from typing import Self

from service.settings import Settings

_OWN_DESCRIPTORS = 128
"""File descriptors for Postgres, Redis, the object store, logs and the drawing process."""
_MOST_CONNECTIONS = 10_000
_LEAST_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a process.

    Attributes:
        connections: open connections in total.
        of_address: open connections of one client address that have sent no valid key.
        requests: requests under way in total; the other connections are a reserve for health
            checks.
        of_owner: requests under way of one owner.
        streams: event streams in total; they are also requests under way.
        streams_of_owner: event streams of one owner.
        head_seconds: the longest time until the head of a request is complete.
        stalled_seconds: the longest time in which a client neither sends nor reads awaited data.
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
        """Choose the bounds for a process that may open `descriptors` files.

        A connection needs one descriptor, and a second one while it sends a file.
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
