"""Ends an API process that no longer answers, so that its supervisor restarts it."""

import logging
import os
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

_STATUS = 70
"""Exit status: EX_SOFTWARE of sysexits.h."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Requests ``/healthz`` of this process periodically, from a thread.

    Container engines do not restart unhealthy containers. The thread works even if the event loop
    is blocked, or all connections are refused.

    Attributes:
        host: address on which the process listens.
        port: port on which it listens.
        seconds: the process ends after this time without an answer.
    """

    host: str
    port: int
    seconds: float

    def start(self) -> None:
        """Start to watch. Call it when the process listens."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        every = self.seconds / 6
        failures = 0
        waiting = threading.Event()
        while not waiting.wait(every):
            failures = 0 if self._answers(every) else failures + 1
            if failures * 2 * every >= self.seconds:
                log.critical("the API did not answer for %g s; its process ends", self.seconds)
                os._exit(_STATUS)

    def _answers(self, seconds: float) -> bool:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104
        connection = HTTPConnection(host, self.port, timeout=seconds)
        with closing(connection), suppress(OSError, HTTPException):
            connection.request("GET", "/healthz")
            return connection.getresponse().status < 500
        return False
