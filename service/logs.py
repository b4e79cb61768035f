"""Logging of all processes: one line for each event, with the ids that are bound to it."""

import logging
import os
import sys
import threading
from typing import Any

import structlog

from lth.core.secrets import hiding, print_uncaught, secrets_of


class _HidingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats records without the secrets that the process has when it configures its logs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._hide = hiding(secrets_of(os.environ))

    def format(self, record: logging.LogRecord) -> str:
        return self._hide(super().format(record))


def configure(*, json: bool, level: int | str = logging.INFO) -> None:
    """Log to standard error: as JSON in production, otherwise as plain text.

    Log lines, and the tracebacks of uncaught exceptions, contain no secrets of this process.
    """
    sys.excepthook = print_uncaught
    threading.excepthook = _log_uncaught
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _HidingFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Messages of the server go the same way.
    for server in ("uvicorn", "uvicorn.error"):
        logging.getLogger(server).handlers.clear()
        logging.getLogger(server).propagate = True
    # The API logs its requests with their ids, so the HTTP libraries need not.
    for chatty in ("uvicorn.access", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _log_uncaught(failed: threading.ExceptHookArgs) -> None:
    """Log an uncaught exception of a thread."""
    name = failed.thread.name if failed.thread else "a thread"
    logging.getLogger(__name__).error("%s failed", name, exc_info=failed.exc_value)
