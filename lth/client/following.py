"""Follows the events of a job across lost connections: the state that both clients share."""

from dataclasses import dataclass, field

import httpx
from httpx_sse import ServerSentEvent

from lth.client.models import Event
from lth.client.requests import part
from lth.client.retries import Retries

LAST = "job_finished"
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
"""The service sends something at least every 15 seconds."""
_FOLLOW_FACTOR = 4
"""Factor for the number of attempts while a job is followed: the service may be restarting."""


@dataclass
class Following:
    """The position of a reader of events.

    Attributes:
        after: number of the last event.
        over: whether the last event of the job was read.
        begun: whether any event was read; without any, the reader gives up earlier.
        failures: failed attempts since the last event.
    """

    job_id: str
    retries: Retries
    after: int = 0
    over: bool = False
    begun: bool = field(default=False, init=False)
    failures: int = field(default=0, init=False)

    @property
    def path(self) -> str:
        return f"/v1/jobs/{part(self.job_id)}/events"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that ask for events after the last one."""
        return {"Last-Event-ID": str(self.after)} if self.after else {}

    def take(self, message: ServerSentEvent) -> Event | None:
        """The event of a message; None if it was already read."""
        if not message.data:
            return None
        event = Event.model_validate_json(message.data)
        if event.number <= self.after:
            return None
        self.after, self.failures, self.begun = event.number, 0, True
        self.over = event.kind == LAST
        return event

    def failed(self) -> float | None:
        """Seconds to wait before the next attempt; None to give up."""
        self.failures += 1
        if self.failures >= self.retries.attempts * (_FOLLOW_FACTOR if self.begun else 1):
            return None
        return self.retries.wait(self.failures)
