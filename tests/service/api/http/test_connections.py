"""Connections are closed if there are too many, or if one waits too long."""

from dataclasses import dataclass, field

import pytest

from service.api.http.bounds import Bounds
from service.api.http.connections import Connections, End
from service.settings import Settings


@dataclass(eq=False)
class Peer:
    """A connection of a client."""

    name: str
    address: str | None = "a"
    owner: str | None = None
    anonymous: bool = True
    received: int = 0
    left: int = 0
    waiting: bool = False
    ends: list[End] = field(default_factory=list)

    def waits(self) -> bool:
        return self.waiting

    def progress(self) -> tuple[int, int]:
        return self.received, self.left

    def unsent(self) -> int:
        return self.left

    def end(self, why: End) -> None:
        self.ends.append(why)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connections(clock: Clock) -> Connections:
    """At most 8 connections, 6 of one address; 10 seconds for a head, 60 for the rest."""
    settings = Settings(max_connections=8, max_address_connections=6)
    return Connections(Bounds.of(settings, 1024), clock)


def opened(connections: Connections, clock: Clock, *names: str, address: str = "a") -> list[Peer]:
    peers = [Peer(name, address) for name in names]
    for peer in peers:
        clock.now += 0.1
        connections.opened(peer)
    return peers


def ended(peers: list[Peer]) -> dict[str, End]:
    return {peer.name: peer.ends[0] for peer in peers if peer.ends}


@pytest.mark.parametrize(
    ("descriptors", "chosen", "connections"),
    [
        (1024, {}, 448),
        (20_000, {}, 9936),
        (65_536, {}, 10_000),
        (1024, {"max_connections": 100}, 100),
        (1024, {"max_connections": 5000}, 448),
        (64, {}, 8),
    ],
)
def test_the_bounds_fit_the_number_of_file_descriptors(descriptors, chosen, connections):
    bounds = Bounds.of(Settings(**chosen), descriptors)
    assert bounds.connections == connections
    assert bounds.of_owner <= bounds.requests < bounds.connections
    assert bounds.streams_of_owner <= bounds.streams / 2 <= bounds.connections / 4


def test_at_the_bound_the_address_with_most_connections_loses_the_longest_idle_one(
    connections, clock
):
    few = opened(connections, clock, "b1", "b2", address="b")
    many = opened(connections, clock, "a1", "a2", "a3", "a4", "a5")
    (last,) = opened(connections, clock, "c1", address="c")
    assert ended([*few, *many, last]) == {}
    opened(connections, clock, "c2", "c3", address="c")
    assert ended([*few, *many, last]) == {"a1": End.EVICTED, "a2": End.EVICTED}
    assert connections.open == 8


def test_an_address_at_its_bound_loses_only_its_own_connections(connections, clock):
    peers = opened(connections, clock, *"123456")
    connections.started(peers[0])
    opened(connections, clock, "7")
    assert ended(peers) == {"2": End.EVICTED}


def test_a_connection_with_a_valid_key_does_not_count_towards_the_bound_of_its_address(
    connections, clock
):
    peers = opened(connections, clock, *"123456")
    connections.started(peers[0])
    assert connections.admit(peers[0], "ada")
    connections.answered(peers[0], more=False)
    opened(connections, clock, "7")
    assert ended(peers) == {}
    opened(connections, clock, "8")
    assert ended(peers) == {"2": End.EVICTED}


def test_a_running_request_is_never_evicted(connections, clock):
    peers = [
        *opened(connections, clock, *"12345"),
        *opened(connections, clock, *"678", address="b"),
    ]
    for peer in peers:
        connections.started(peer)
    (late,) = opened(connections, clock, "9", address="c")
    assert ended([*peers, late]) == {"9": End.REFUSED}
    connections.closed(peers[0])
    assert ended(opened(connections, clock, "10", address="c")) == {}


def test_an_owner_can_use_half_of_the_requests_and_ended_requests_do_not_count(connections, clock):
    peers = opened(connections, clock, *"12345")
    for peer in peers:
        connections.started(peer)
    assert [connections.admit(peer, "ada") for peer in peers] == [True] * 4 + [False]
    assert connections.admit(peers[4], "bob")
    connections.answered(peers[0], more=False)
    connections.closed(peers[1])
    connections.started(peers[0])
    assert connections.admit(peers[0], "ada")
    connections.answered(peers[0], more=True)
    assert connections.admit(peers[0], "ada")
    assert not connections.overloaded


def test_a_connection_without_a_complete_head_is_closed_after_the_timeout(connections, clock):
    (slow, busy) = opened(connections, clock, "slow", "busy")
    connections.started(busy)
    clock.now += 9
    slow.received += 100
    connections.look()
    assert ended([slow, busy]) == {}
    clock.now += 2
    connections.look()
    assert ended([slow, busy]) == {"slow": End.IDLE}
    connections.answered(busy, more=False)
    clock.now += 9
    connections.look()
    assert ended([busy]) == {}


def test_a_connection_with_an_unread_answer_is_closed_later(connections, clock):
    (reader,) = opened(connections, clock, "reader")
    reader.left = 1000
    clock.now += 30
    connections.look()
    assert ended([reader]) == {}
    clock.now += 31
    connections.look()
    assert ended([reader]) == {"reader": End.IDLE}


def test_the_request_of_a_stalled_client_is_ended(connections, clock):
    names = ("computes", "sends", "stalls")
    computes, sends, stalls = peers = opened(connections, clock, *names)
    for peer in peers:
        connections.started(peer)
    sends.waiting = stalls.waiting = True
    for _ in range(8):
        clock.now += 10
        sends.received += 1
        connections.look()
    assert ended(peers) == {"stalls": End.STALLED}
    assert connections.open == 2
    assert not computes.ends
