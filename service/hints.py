"""Hints: messages without content that tell workers to look for work in Postgres.

A hint may be lost, duplicated or late. The sweeper sends lost hints again. A queue that already has
some hints needs no more, because each of them is received after this one would have been sent.
"""

import logging
import time

import redis
from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError

WORK = "lth.work"
"""The task that claims and executes runs."""
SWEEP = "lth.sweep"
"""The task that finds lost runs and sends lost hints."""
HOUSEKEEPING = "lth.housekeeping"
"""The task that deletes old and unused data."""

WEBHOOKS = "lth.webhooks"
"""The task that calls due webhooks."""

_ENOUGH = 16
_QUEUE_SECONDS = 600
"""Seconds after which an unused queue is deleted; the sweeper sends new hints if there is work."""
_PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)


def queue_of(pool: str) -> str:
    """The name of a pool's Celery queue."""
    return f"lth.{pool}"


class Hints:
    """Sends hints. It never raises, and waits only briefly for the broker. Safe to share."""

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
        """Send hints to up to `count` idle workers of a pool.

        Returns:
            Whether the broker has received the hints, or already has enough.
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
        """Check that the broker answers.

        Raises:
            redis.RedisError: if it does not.
        """
        self._redis.ping()

    def close(self) -> None:
        """Close the connections."""
        self._app.close()
        self._redis.close()


def _expiring(queue: str) -> Queue:
    """The queue as a Redis list that expires.

    It has no exchange of its own, so it leaves no binding in the broker.
    """
    return Queue(queue, Exchange(""), routing_key=queue, expires=_QUEUE_SECONDS)
