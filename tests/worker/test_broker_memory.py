"""Jobs are done even if the broker drops keys because its memory is full."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from tests.worker.rig import Rig, eventually

pytestmark = pytest.mark.system

_PIECE = b"x" * 10_000


@contextmanager
def filled(broker: redis.Redis) -> Iterator[None]:
    """Somebody fills the broker beyond its memory for as long as the block lasts."""
    before = broker.config_get("maxmemory")["maxmemory"]
    broker.config_set("maxmemory", int(broker.info("memory")["used_memory"]) + 500_000)
    over = threading.Event()

    def fill() -> None:
        number = 0
        while not over.is_set():
            number += 1
            try:
                broker.set(f"filler-{number}", _PIECE)
            except redis.ResponseError:
                over.wait(0.01)  # Out of memory, where nothing is evicted.

    filling = threading.Thread(target=fill)
    filling.start()
    try:
        yield
    finally:
        over.set()
        filling.join()
        broker.config_set("maxmemory", before)
        for key in broker.scan_iter("filler-*"):
            broker.delete(key)


def test_jobs_succeed_while_the_broker_evicts_keys(workers: Rig) -> None:
    first = workers.submit({"seed": 1})
    assert workers.wait(first).state == "succeeded"
    with redis.Redis.from_url(workers.settings.broker_url) as broker, filled(broker):
        evicted = broker.info("stats")["evicted_keys"]
        eventually(lambda: broker.info("stats")["evicted_keys"] > evicted + 100)
        for seed in range(2, 8):
            assert workers.wait(workers.submit({"seed": seed})).state == "succeeded"
            # What Celery keeps may go, too: a worker listens on, and is hinted at.
            for key in broker.scan_iter("*"):
                if not key.startswith(b"filler-"):
                    broker.delete(key)


def test_the_memory_of_the_broker_is_bounded_by_eviction(workers: Rig) -> None:
    with redis.Redis.from_url(workers.settings.broker_url) as broker:
        assert broker.config_get("maxmemory*")["maxmemory-policy"] == "allkeys-lru"
        assert int(broker.config_get("maxmemory")["maxmemory"]) == 128 * 2**20
