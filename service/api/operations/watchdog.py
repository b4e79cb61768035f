"""Ends an API process that no longer answers, so that its supervisor starts another one."""

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
    """Asks this process for ``/healthz`` again and again, from a thread.

    A container is not restarted because it is unhealthy. This thread still runs when the event loop
    is blocked, or when every connection is refused.

    Attributes:
        host: address on which the process listens.
        port: on which it listens.
        seconds: silence after which the process ends.
    """

    host: str
    port: int
    seconds: float

    def start(self) -> None:
        """Begin to watch; call it when the process listens."""
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
