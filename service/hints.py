"""Hints to workers that there is work. Postgres knows what it is; a lost hint is sent again.

A hint is a Celery message without content. That is why it may be lost, doubled or late, and why a
queue that holds some already needs no more: whoever takes one of those looks after it was sent.
"""

import logging
import time

import redis
from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError

WORK = "lth.work"
"""The task that claims runs and executes them."""
SWEEP = "lth.sweep"
"""The task that looks for lost runs and lost hints."""
HOUSEKEEPING = "lth.housekeeping"
"""The task that deletes what is old or unused."""

WEBHOOKS = "lth.webhooks"
"""The task that calls the webhooks that are due."""

_ENOUGH = 16
_QUEUE_SECONDS = 600
"""A queue that got no hint for so long is deleted; the sweeper sends new hints to one with work."""
_PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)


def queue_of(pool: str) -> str:
    """The name of a pool's Celery queue."""
    return f"lth.{pool}"


class Hints:
    """Sends hints; never raises and hardly waits, whatever the broker does. Safe to share."""

    def __init__(self, broker_url: str) -> None:
        self._redis = redis.Redis.from_url(
            broker_url, socket_connect_timeout=0.5, socket_timeout=0.5
        )
        self._app = Celery("lth-hints", broker=broker_url, set_as_current=False)
        self._app.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            task_publish_retry=False,
            broker_connection_timeout=0.5,
            broker_transport_options={
                "socket_connect_timeout": 0.5,
                "socket_timeout": 0.5,
                "priority_steps": [0],  # Hints are equal: one list a queue is enough.
            },
        )
        self._silent_until = 0.0

    def wake(self, pool: str, count: int = 1) -> bool:
        """Tell up to `count` idle workers of a pool that there is work.

        Returns:
            Whether the broker took the hints, or has enough of them.
        """
        if time.monotonic() < self._silent_until:
            return False
        queue = queue_of(pool)
        try:
            there = self._redis.llen(queue)
            for _ in range(min(count, _ENOUGH - int(there))):  # pyright: ignore[reportArgumentType]
                self._app.send_task(WORK, queue=_expiring(queue), ignore_result=True, retry=False)
        except (redis.RedisError, OperationalError, OSError) as error:
            self._silent_until = time.monotonic() + _PAUSE_SECONDS
            log.warning("no hint to '%s', the sweeper will send one: %s", queue, error)
            return False
        return True

    def ping(self) -> None:
        """Ask the broker for a sign of life.

        Raises:
            redis.RedisError: when there is none.
        """
        self._redis.ping()

    def close(self) -> None:
        """Give the connections back."""
        self._app.close()
        self._redis.close()


def _expiring(queue: str) -> Queue:
    """The queue as one Redis list that expires.

    Without an exchange of its own, the queue leaves no binding in the broker.
    """
    return Queue(queue, Exchange(""), routing_key=queue, expires=_QUEUE_SECONDS)
