"""Serves the application with uvicorn and the bounds of `service.api.http.connections`."""

from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.api.http.protocol import BoundedProtocol

_BACKLOG = 512
"""Connections that the system queues while the event loop is busy. They are accepted together, so
they must fit in addition to the open ones."""


def server_config(app: FastAPI, graceful_seconds: int, **options: Any) -> uvicorn.Config:
    """The configuration of a server for an application.

    `FORWARDED_ALLOW_IPS` names trusted proxies, as in uvicorn. The bound on the connections of one
    address does not apply to them, because they forward the connections of many clients.
    """
    config = uvicorn.Config(
        app,
        ws="none",
        access_log=False,
        log_config=None,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=graceful_seconds,
        **options,
    )
    proxies = ProxyHeadersMiddleware(app, config.forwarded_allow_ips).trusted_hosts  # pyright: ignore[reportArgumentType]
    config.http = partial(BoundedProtocol, app.state.connections, proxies)  # pyright: ignore[reportAttributeAccessIssue]
    return config
