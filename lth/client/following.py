"""Following a job's events across lost connections: what both clients remember meanwhile."""

from dataclasses import dataclass, field

import httpx
from httpx_sse import ServerSentEvent

from lth.client.models import Event
from lth.client.requests import part
from lth.client.retries import Retries

LAST = "job_finished"
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
"""The service says something at least every 15 seconds, if only that it is there."""
_PATIENCE = 4
"""Whoever follows a job waits so much longer than a request: through a restart of the service."""


@dataclass
class Following:
    """Where a reader of events is.

    Attributes:
        after: number of the last event that was handed on.
        over: whether nothing follows.
        begun: whether an event has come; a service that was never there is given up soon.
        failures: attempts since the last event.
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
        """What to ask for: the events after the last one."""
        return {"Last-Event-ID": str(self.after)} if self.after else {}

    def take(self, message: ServerSentEvent) -> Event | None:
        """The event of a message, if it is a new one."""
        if not message.data:
            return None
        event = Event.model_validate_json(message.data)
        if event.number <= self.after:
            return None
        self.after, self.failures, self.begun = event.number, 0, True
        self.over = event.kind == LAST
        return event

    def failed(self) -> float | None:
        """Seconds to wait before the next attempt; None when it has been tried often enough."""
        self.failures += 1
        if self.failures >= self.retries.attempts * (_PATIENCE if self.begun else 1):
            return None
        return self.retries.wait(self.failures)
